#include "dataplane/state/private_key.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>

#include <fmt/format.h>

#include "common/key.h"
#include "common/random.h"
#include "common/status.h"
#include "dataplane/crypto/x25519.h"

namespace adit::state {
namespace {

constexpr std::size_t kTextSize = 44;

// Text of a key on the stack, wiped.
class KeyText {
 public:
  KeyText() = default;
  KeyText(const KeyText&) = delete;
  KeyText& operator=(const KeyText&) = delete;
  ~KeyText() { crypto::Wipe({reinterpret_cast<std::uint8_t*>(bytes_.data()), bytes_.size()}); }
  // One more than a key and its line feed, to see that there is no more.
  std::array<char, kTextSize + 2>& bytes() { return bytes_; }

 private:
  std::array<char, kTextSize + 2> bytes_{};
};

absl::Status FormatError(const StateDirectory& directory) {
  return DataLoss(fmt::format(
      "{0}/{1} is not 44 characters of base64 and a line feed: put the right key back, or remove "
      "the file to get a new identity (the hub then needs `aditctl node update NAME --public-key`)",
      directory.path(), kPrivateKeyName));
}

absl::StatusOr<crypto::Secret<32>> Load(const StateDirectory& directory) {
  ASSIGN_OR_RETURN(const UniqueFd fd, directory.OpenExisting(kPrivateKeyName, O_RDONLY));
  KeyText text;
  const ssize_t got = pread(fd.get(), text.bytes().data(), text.bytes().size(), 0);
  if (got < 0) {
    return directory.Error(errno, "read", kPrivateKeyName);
  }
  const std::string_view content(text.bytes().data(), static_cast<std::size_t>(got));
  const bool has_right_size = content.size() == kTextSize || content.size() == kTextSize + 1;
  if (!has_right_size || (content.size() == kTextSize + 1 && content.back() != '\n')) {
    return FormatError(directory);
  }
  crypto::Secret<32> key;
  if (!DecodeKeyBase64(content.substr(0, kTextSize), key.mutable_bytes()) ||
      crypto::IsAllZero(key.bytes())) {
    return FormatError(directory);
  }
  return key;
}

absl::StatusOr<crypto::Secret<32>> Create(const StateDirectory& directory) {
  crypto::Secret<32> key;
  SystemRandom().Fill(key.mutable_bytes());
  crypto::ClampPrivateKey(key.mutable_bytes());
  KeyText text;
  EncodeKeyBase64(key.bytes(), std::span<char, kTextSize>(text.bytes().data(), kTextSize));
  text.bytes()[kTextSize] = '\n';
  RETURN_IF_ERROR(directory.WriteAtomically(kPrivateKeyName,
                                            std::string_view(text.bytes().data(), kTextSize + 1)));
  return key;
}

}  // namespace

absl::StatusOr<crypto::Secret<32>> LoadOrCreatePrivateKey(const StateDirectory& directory) {
  auto loaded = Load(directory);
  return absl::IsNotFound(loaded.status()) ? Create(directory) : std::move(loaded);
}

}  // namespace adit::state
