#include "dataplane/uapi/secret_text.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "dataplane/crypto/secret.h"

namespace adit::uapi {
namespace {

constexpr std::size_t kFirstCapacity = 1024;

void WipeChars(char* bytes, std::size_t size) {
  crypto::Wipe({reinterpret_cast<std::uint8_t*>(bytes), size});
}

}  // namespace

SecretText::SecretText(SecretText&& other) noexcept
    : bytes_(std::move(other.bytes_)),
      size_(std::exchange(other.size_, 0)),
      capacity_(std::exchange(other.capacity_, 0)) {}

SecretText& SecretText::operator=(SecretText&& other) noexcept {
  if (this != &other) {
    Clear();
    bytes_ = std::move(other.bytes_);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
  }
  return *this;
}

void SecretText::Append(std::string_view text) {
  if (text.empty()) {
    return;
  }
  if (size_ + text.size() > capacity_) {
    const std::size_t capacity = std::max({kFirstCapacity, 2 * capacity_, size_ + text.size()});
    auto grown = std::make_unique<char[]>(capacity);
    if (size_ != 0) {
      std::memcpy(grown.get(), bytes_.get(), size_);
      WipeChars(bytes_.get(), size_);
    }
    bytes_ = std::move(grown);
    capacity_ = capacity;
  }
  std::memcpy(bytes_.get() + size_, text.data(), text.size());
  size_ += text.size();
}

void SecretText::Clear() {
  if (bytes_ != nullptr) {
    WipeChars(bytes_.get(), capacity_);
    bytes_.reset();
  }
  size_ = 0;
  capacity_ = 0;
}

}  // namespace adit::uapi
