#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

// Spans of bytes and loads and stores of integers at any alignment.
namespace adit {

using ByteSpan = std::span<const std::uint8_t>;
using MutableByteSpan = std::span<std::uint8_t>;

[[nodiscard]] inline ByteSpan AsBytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

static_assert(std::endian::native == std::endian::little, "big-endian hosts are not supported");

template <typename T>
[[nodiscard]] inline T LoadNative(const std::uint8_t* from) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <typename T>
inline void StoreNative(std::uint8_t* to, T value) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::memcpy(to, &value, sizeof value);
}

[[nodiscard]] inline std::uint32_t LoadLe32(const std::uint8_t* from) {
  return LoadNative<std::uint32_t>(from);
}
[[nodiscard]] inline std::uint64_t LoadLe64(const std::uint8_t* from) {
  return LoadNative<std::uint64_t>(from);
}
inline void StoreLe32(std::uint8_t* to, std::uint32_t value) { StoreNative(to, value); }
inline void StoreLe64(std::uint8_t* to, std::uint64_t value) { StoreNative(to, value); }

[[nodiscard]] inline std::uint16_t LoadBe16(const std::uint8_t* from) {
  return __builtin_bswap16(LoadNative<std::uint16_t>(from));
}
[[nodiscard]] inline std::uint32_t LoadBe32(const std::uint8_t* from) {
  return __builtin_bswap32(LoadNative<std::uint32_t>(from));
}
[[nodiscard]] inline std::uint64_t LoadBe64(const std::uint8_t* from) {
  return __builtin_bswap64(LoadNative<std::uint64_t>(from));
}
inline void StoreBe16(std::uint8_t* to, std::uint16_t value) {
  StoreNative<std::uint16_t>(to, __builtin_bswap16(value));
}
inline void StoreBe32(std::uint8_t* to, std::uint32_t value) {
  StoreNative<std::uint32_t>(to, __builtin_bswap32(value));
}
inline void StoreBe64(std::uint8_t* to, std::uint64_t value) {
  StoreNative<std::uint64_t>(to, __builtin_bswap64(value));
}

}  // namespace adit
