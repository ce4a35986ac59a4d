#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

namespace adit::uapi {

// Text that may hold keys: grows like a string, and every block it leaves behind is wiped, also
// when it grows, is cleared or dies. Not copyable, not printable.
class SecretText {
 public:
  SecretText() = default;
  SecretText(SecretText&& other) noexcept;
  SecretText& operator=(SecretText&& other) noexcept;
  SecretText(const SecretText&) = delete;
  SecretText& operator=(const SecretText&) = delete;
  ~SecretText() { Clear(); }

  void Append(std::string_view text);
  // Wipes all that was ever written and gives the memory back.
  void Clear();

  // Valid until the next Append or Clear.
  [[nodiscard]] std::string_view view() const { return {bytes_.get(), size_}; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace adit::uapi
