#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "common/bytes.h"

// The byte layout inside the records of the state files: little-endian integers and byte strings
// with a 32-bit length in front.
namespace adit::state {

class Encoder {
 public:
  void U8(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }
  void U32(std::uint32_t value) { Integer(value); }
  void U64(std::uint64_t value) { Integer(value); }
  void I64(std::int64_t value) { Integer(value); }
  void Fixed(std::string_view bytes) { out_.append(bytes); }
  void Fixed(ByteSpan bytes) {
    for (const std::uint8_t byte : bytes) {
      U8(byte);
    }
  }
  void Bytes(std::string_view bytes) {
    U32(static_cast<std::uint32_t>(bytes.size()));
    Fixed(bytes);
  }

  [[nodiscard]] std::size_t size() const { return out_.size(); }
  [[nodiscard]] std::string Take() {
    std::string out = std::move(out_);
    out_.clear();  // moved from: empty, and said so
    return out;
  }

 private:
  template <typename T>
  void Integer(T value) {
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    out_.append(bytes, sizeof bytes);
  }
  std::string out_;
};

// Reads what an Encoder wrote. After any read past the end ok() is false and every value is zero
// or empty; the caller checks once.
class Decoder {
 public:
  // Borrows `bytes`.
  explicit Decoder(std::string_view bytes) : rest_(bytes) {}

  std::uint8_t U8() { return Integer<std::uint8_t>(); }
  std::uint32_t U32() { return Integer<std::uint32_t>(); }
  std::uint64_t U64() { return Integer<std::uint64_t>(); }
  std::int64_t I64() { return Integer<std::int64_t>(); }
  std::string_view Fixed(std::size_t size) {
    if (!ok_ || rest_.size() < size) {
      ok_ = false;
      return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  std::string_view Bytes() { return Fixed(U32()); }

  [[nodiscard]] bool ok() const { return ok_; }
  // Nothing went wrong and nothing is left over.
  [[nodiscard]] bool Finished() const { return ok_ && rest_.empty(); }

 private:
  template <typename T>
  T Integer() {
    T value{};
    const std::string_view bytes = Fixed(sizeof value);
    if (ok_) {
      std::memcpy(&value, bytes.data(), sizeof value);
    }
    return value;
  }
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace adit::state
