#include "controlplane/cli/client_key.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <istream>
#include <new>

#include <fmt/format.h>

#include "common/status.h"
#include "common/unique_fd.h"

namespace adit::cli {
namespace {

constexpr std::size_t kTextSize = 44;

// A few characters of a key's text on the stack, wiped.
struct TextBuffer {
  // One more than a key and its line feed, to see that there is no more.
  std::array<char, kTextSize + 2> text{};
  TextBuffer() = default;
  TextBuffer(const TextBuffer&) = delete;
  TextBuffer& operator=(const TextBuffer&) = delete;
  ~TextBuffer() { sodium_memzero(text.data(), text.size()); }
};

}  // namespace

ClientKey::ClientKey() : bytes_(static_cast<std::uint8_t*>(AllocateLocked(kKeySize))) {
  if (bytes_ == nullptr) {
    throw std::bad_alloc();
  }
}

ClientKey ClientKey::NewPrivate(RandomSource& random) {
  ClientKey key = NewPreshared(random);
  key.bytes()[0] &= 0xf8;
  key.bytes()[31] = static_cast<std::uint8_t>((key.bytes()[31] & 0x7f) | 0x40);
  return key;
}

ClientKey ClientKey::NewPreshared(RandomSource& random) {
  ClientKey key;
  random.Fill(key.bytes());
  return key;
}

absl::StatusOr<ClientKey> ClientKey::Parse(std::string_view text) {
  if (text.ends_with('\n')) {
    text.remove_suffix(1);
  }
  ClientKey key;
  if (!DecodeKeyBase64(text, key.bytes()) || sodium_is_zero(key.bytes_.get(), kKeySize) != 0) {
    return InvalidArgument("expected a key as wg genkey prints it: 44 characters of base64");
  }
  return key;
}

absl::StatusOr<ClientKey> ClientKey::ReadFile(const std::string& path,
                                              std::istream& standard_input) {
  TextBuffer buffer;
  std::size_t size = 0;
  if (path == "-") {
    standard_input.read(buffer.text.data(), static_cast<std::streamsize>(buffer.text.size()));
    size = static_cast<std::size_t>(standard_input.gcount());
  } else {
    const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.is_open()) {
      return ErrnoStatus(errno, fmt::format("open the key file {}", path));
    }
    while (size < buffer.text.size()) {
      const ssize_t got = read(fd.get(), buffer.text.data() + size, buffer.text.size() - size);
      if (got < 0 && errno != EINTR) {
        return ErrnoStatus(errno, fmt::format("read the key file {}", path));
      }
      if (got == 0) {
        break;
      }
      size += got > 0 ? static_cast<std::size_t>(got) : 0;
    }
  }
  auto key = Parse(std::string_view(buffer.text.data(), size));
  return key.ok() ? std::move(key) : Annotate(key.status(), path);
}

PublicKey ClientKey::DerivePublic() const {
  std::array<std::uint8_t, kKeySize> public_bytes{};
  crypto_scalarmult_base(public_bytes.data(), bytes_.get());
  return PublicKey(public_bytes);
}

SecretText ClientKey::ToBase64() const {
  TextBuffer buffer;
  EncodeKeyBase64(bytes(), std::span<char, kTextSize>(buffer.text.data(), kTextSize));
  SecretText text;
  text += std::string_view(buffer.text.data(), kTextSize);
  return text;
}

}  // namespace adit::cli
