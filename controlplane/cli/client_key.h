#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

#include "common/key.h"
#include "common/random.h"
#include "controlplane/cli/secret_text.h"

namespace adit::cli {

// 32 secret bytes of a client: its X25519 private key or a preshared key. In locked memory, wiped
// when destroyed. The private one goes to the client's own file and nowhere else.
class ClientKey {
 public:
  // A private key, clamped as Curve25519 wants it.
  [[nodiscard]] static ClientKey NewPrivate(RandomSource& random);
  [[nodiscard]] static ClientKey NewPreshared(RandomSource& random);
  // From text as `wg genkey` and `wg genpsk` print it: 44 characters of base64 and at most one line
  // feed. INVALID_ARGUMENT says what was expected, also for a key of zeros.
  [[nodiscard]] static absl::StatusOr<ClientKey> Parse(std::string_view text);
  // The same from a file; "-" reads standard input.
  [[nodiscard]] static absl::StatusOr<ClientKey> ReadFile(const std::string& path,
                                                          std::istream& standard_input);

  [[nodiscard]] PublicKey DerivePublic() const;
  [[nodiscard]] SecretText ToBase64() const;

 private:
  struct Free {
    void operator()(std::uint8_t* bytes) const { sodium_free(bytes); }
  };
  ClientKey();
  [[nodiscard]] std::span<std::uint8_t, kKeySize> bytes() const {
    return std::span<std::uint8_t, kKeySize>(bytes_.get(), kKeySize);
  }
  std::unique_ptr<std::uint8_t, Free> bytes_;
};

}  // namespace adit::cli
