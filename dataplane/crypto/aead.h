#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "common/bytes.h"
#include "common/status.h"

// ChaCha20-Poly1305 (RFC 8439) over many packets at once, in place, behind one interface with
// several providers. The nonce is WireGuard's: 4 zero bytes and the counter, little endian.
namespace adit::crypto {

inline constexpr std::size_t kAeadTagSize = 16;

// One packet to seal: `length` bytes of plaintext at `data`, replaced by ciphertext; the 16-byte
// tag is written at data + length. No associated data.
struct SealJob {
  std::uint8_t* data = nullptr;
  std::uint32_t length = 0;
  std::uint64_t counter = 0;
};

// One packet to open: `length` bytes of ciphertext at `data` with the tag behind them. `opened`
// tells the result; the plaintext replaces the ciphertext. When it did not open, the bytes are
// unspecified and must not be used.
struct OpenJob {
  std::uint8_t* data = nullptr;
  std::uint32_t length = 0;
  std::uint64_t counter = 0;
  bool opened = false;
};

// Thread: one instance per shard; not shared. Allocates nothing after construction. Keeps no copy
// of a key after a call returns.
class Aead {
 public:
  virtual ~Aead() = default;
  [[nodiscard]] virtual std::string_view name() const = 0;
  virtual void Seal(std::span<const std::uint8_t, 32> key, std::span<const SealJob> jobs) = 0;
  virtual void Open(std::span<const std::uint8_t, 32> key, std::span<OpenJob> jobs) = 0;
};

// The providers of this build that pass the self-check against libsodium on this machine:
// "lanes" (x86-64 with AVX2 or AVX-512), "ipsec-mb" (x86-64 with the library), "openssl",
// "libsodium".
[[nodiscard]] std::vector<std::string_view> AvailableAeads();

// Makes the named provider. "auto": the fastest of a one-millisecond benchmark (a train of
// full-size packets and one of small ones, seal and open). An unknown name, or one that fails its
// self-check, is an error that lists the available ones.
[[nodiscard]] absl::StatusOr<std::unique_ptr<Aead>> MakeAead(std::string_view name);

// Seals and opens `rounds` batches of random lengths, counters and keys with the candidate and
// compares each byte with libsodium. True when all agree and every corrupted packet is refused.
[[nodiscard]] bool SelfCheck(Aead& candidate, unsigned rounds);

}  // namespace adit::crypto
