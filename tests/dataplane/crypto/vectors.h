#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace adit::crypto {

// The parsed content of tests/vectors/<name>; throws when it is missing or no JSON.
[[nodiscard]] nlohmann::json ReadVectors(const std::string& name);

// The bytes of a field of hexadecimal text.
[[nodiscard]] std::vector<std::uint8_t> Bytes(const nlohmann::json& entry, const char* field);

template <std::size_t N>
[[nodiscard]] std::array<std::uint8_t, N> BytesOf(const nlohmann::json& entry, const char* field) {
  const std::vector<std::uint8_t> bytes = Bytes(entry, field);
  std::array<std::uint8_t, N> out{};
  if (bytes.size() != N) {
    throw std::runtime_error(std::string(field) + " has another length");
  }
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

}  // namespace adit::crypto
