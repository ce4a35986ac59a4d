#pragma once

#include <sodium.h>

#include <cstring>
#include <new>
#include <string_view>
#include <utility>

namespace adit::cli {

// Locked memory between guard pages, for sodium_free; nullptr when there is none.
[[nodiscard]] inline void* AllocateLocked(std::size_t size) {
  // The first call sets the allocator up; later ones cost nothing.
  return sodium_init() < 0 ? nullptr : sodium_malloc(size);
}

// Text that holds a key: in locked memory that is wiped when it is released, also where it grew
// from. Move only.
class SecretText {
 public:
  SecretText() = default;
  SecretText(SecretText&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  SecretText& operator=(SecretText&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }
  SecretText(const SecretText&) = delete;
  SecretText& operator=(const SecretText&) = delete;
  ~SecretText() { sodium_free(data_); }

  SecretText& operator+=(std::string_view text) {
    if (text.empty()) {
      return *this;
    }
    if (size_ + text.size() > capacity_) {
      const std::size_t capacity = 2 * (size_ + text.size()) + 1024;
      auto* larger = static_cast<char*>(AllocateLocked(capacity));
      if (larger == nullptr) {
        throw std::bad_alloc();
      }
      if (size_ > 0) {
        std::memcpy(larger, data_, size_);
      }
      sodium_free(data_);
      data_ = larger;
      capacity_ = capacity;
    }
    std::memcpy(data_ + size_, text.data(), text.size());
    size_ += text.size();
    return *this;
  }
  [[nodiscard]] std::string_view view() const { return {data_, size_}; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

 private:
  char* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace adit::cli
