#include "common/key.h"

#include <algorithm>

namespace adit {
namespace {

// Branch-free character classes: a table look-up or an early exit would leak a secret's bytes.
constexpr int InRange(int c, int low, int high) {
  return (((low - 1 - c) & (c - high - 1)) >> 8) & 0xff;  // 0xff when low <= c <= high
}

int DecodeBase64Digit(char character) {
  const int c = static_cast<unsigned char>(character);
  int value = -1;
  value += InRange(c, 'A', 'Z') & (c - 'A' + 1);
  value += InRange(c, 'a', 'z') & (c - 'a' + 27);
  value += InRange(c, '0', '9') & (c - '0' + 53);
  value += InRange(c, '+', '+') & 63;
  value += InRange(c, '/', '/') & 64;
  return value;
}

char EncodeBase64Digit(unsigned digit) {
  const int d = static_cast<int>(digit);
  int c = d + 'A';
  c += InRange(d, 26, 63) & ('a' - 26 - 'A');
  c += InRange(d, 52, 63) & ('0' - 52 - ('a' - 26));
  c += InRange(d, 62, 63) & ('+' - 62 - ('0' - 52));
  c += InRange(d, 63, 63) & ('/' - 63 - ('+' - 62));
  return static_cast<char>(c);
}

int DecodeHexDigit(char character) {
  const int c = static_cast<unsigned char>(character);
  int value = -1;
  value += InRange(c, '0', '9') & (c - '0' + 1);
  value += InRange(c, 'a', 'f') & (c - 'a' + 11);
  value += InRange(c, 'A', 'F') & (c - 'A' + 11);
  return value;
}

}  // namespace

bool DecodeKeyBase64(std::string_view text, std::span<std::uint8_t, kKeySize> out) {
  if (text.size() != 44 || text[43] != '=') {
    return false;
  }
  int bad = 0;
  for (std::size_t group = 0; group < 11; ++group) {
    int value = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const bool is_padding = group == 10 && i == 3;
      const int digit = is_padding ? 0 : DecodeBase64Digit(text[group * 4 + i]);
      bad |= digit;
      value = (value << 6) | (digit & 63);
    }
    for (std::size_t i = 0; i < 3; ++i) {
      const auto byte = static_cast<std::uint8_t>(value >> (16 - 8 * i));
      if (group * 3 + i < kKeySize) {
        out[group * 3 + i] = byte;
      } else {
        bad |= -static_cast<int>(byte);  // bits past the 256th: not canonical
      }
    }
  }
  return bad >= 0;
}

bool DecodeKeyHex(std::string_view text, std::span<std::uint8_t, kKeySize> out) {
  if (text.size() != 64) {
    return false;
  }
  int bad = 0;
  for (std::size_t i = 0; i < kKeySize; ++i) {
    const int high = DecodeHexDigit(text[2 * i]);
    const int low = DecodeHexDigit(text[2 * i + 1]);
    bad |= high | low;
    out[i] = static_cast<std::uint8_t>(((high & 15) << 4) | (low & 15));
  }
  return bad >= 0;
}

void EncodeKeyBase64(std::span<const std::uint8_t, kKeySize> key, std::span<char, 44> out) {
  for (std::size_t group = 0; group < 11; ++group) {
    unsigned value = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      const std::size_t at = group * 3 + i;
      value = (value << 8) | (at < kKeySize ? key[at] : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      out[group * 4 + i] = EncodeBase64Digit((value >> (18 - 6 * i)) & 63);
    }
  }
  out[43] = '=';
}

void EncodeKeyHex(std::span<const std::uint8_t, kKeySize> key, std::span<char, 64> out) {
  for (std::size_t i = 0; i < kKeySize; ++i) {
    const auto digit = [](int d) {
      return static_cast<char>('0' + d + (InRange(d, 10, 15) & ('a' - '0' - 10)));
    };
    out[2 * i] = digit(key[i] >> 4);
    out[2 * i + 1] = digit(key[i] & 15);
  }
}

PublicKey::PublicKey(std::span<const std::uint8_t, kKeySize> bytes) {
  std::ranges::copy(bytes, bytes_.begin());
}

std::optional<PublicKey> PublicKey::FromBase64(std::string_view text) {
  PublicKey key;
  if (!DecodeKeyBase64(text, key.bytes_)) {
    return std::nullopt;
  }
  return key;
}

std::optional<PublicKey> PublicKey::FromBytes(ByteSpan bytes) {
  if (bytes.size() != kKeySize) {
    return std::nullopt;
  }
  return PublicKey(bytes.first<kKeySize>());
}

bool PublicKey::is_zero() const { return *this == PublicKey(); }

std::string PublicKey::ToBase64() const {
  std::string text(44, '\0');
  EncodeKeyBase64(bytes_, std::span<char, 44>(text.data(), 44));
  return text;
}

std::string PublicKey::ToHex() const {
  std::string text(64, '\0');
  EncodeKeyHex(bytes_, std::span<char, 64>(text.data(), 64));
  return text;
}

}  // namespace adit
