#include "common/key.h"

#include <gtest/gtest.h>

#include "tests/support/seeded_random.h"

namespace adit {
namespace {

using KeyBytes = std::array<std::uint8_t, kKeySize>;
constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Base64 bit by bit.
std::string SlowBase64(const KeyBytes& key) {
  std::string text;
  for (unsigned digit = 0; digit < 43; ++digit) {
    unsigned value = 0;
    for (unsigned i = 0; i < 6; ++i) {
      const unsigned bit = digit * 6 + i;
      value = value * 2 + (bit < 256 ? (unsigned{key[bit / 8]} >> (7 - bit % 8)) & 1U : 0U);
    }
    text += kDigits[value];
  }
  return text + "=";
}

TEST(Key, Base64AndHexRoundTripAndAgreeWithTheSlowOne) {
  testing::SeededRandom random(1);
  for (int i = 0; i < 2000; ++i) {
    KeyBytes bytes{};
    random.Fill(bytes);
    const PublicKey key{bytes};
    ASSERT_EQ(key.ToBase64(), SlowBase64(bytes));
    ASSERT_EQ(PublicKey::FromBase64(key.ToBase64()), key);
    KeyBytes decoded{};
    std::string hex = key.ToHex();
    ASSERT_EQ(hex.size(), 64U);
    ASSERT_TRUE(DecodeKeyHex(hex, decoded));
    ASSERT_EQ(decoded, bytes);
    for (char& c : hex) {
      c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    ASSERT_TRUE(DecodeKeyHex(hex, decoded));
    ASSERT_EQ(decoded, bytes);
  }
}

TEST(Key, EveryOtherCharacterIsRefusedAtEveryPlace) {
  const std::string good = PublicKey(KeyBytes{1, 2, 3}).ToBase64();
  KeyBytes out{};
  for (int c = 0; c < 256; ++c) {
    const bool is_digit =
        c != 0 && std::string(kDigits).find(static_cast<char>(c)) != std::string::npos;
    std::string text = good;
    text[7] = static_cast<char>(c);
    EXPECT_EQ(DecodeKeyBase64(text, out), is_digit) << c;
    text = good;
    text[43] = static_cast<char>(c);
    EXPECT_EQ(DecodeKeyBase64(text, out), c == '=') << c;
    const bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    std::string hex(64, '0');
    hex[63] = static_cast<char>(c);
    EXPECT_EQ(DecodeKeyHex(hex, out), is_hex) << c;
  }
}

TEST(Key, RefusesOtherLengthsAndTextThatIsNotCanonical) {
  const std::string good = PublicKey(KeyBytes{}).ToBase64();
  KeyBytes out{};
  for (const std::string& text :
       {std::string(), good + "A", good.substr(1), good.substr(0, 43), good + "\n"}) {
    EXPECT_FALSE(DecodeKeyBase64(text, out));
  }
  int canonical = 0;
  for (const char digit : std::string(kDigits)) {
    std::string text = good;
    text[42] = digit;
    canonical += DecodeKeyBase64(text, out) ? 1 : 0;
  }
  EXPECT_EQ(canonical, 16) << "the last digit carries four bits";
  for (const std::size_t size : {0U, 63U, 65U}) {
    EXPECT_FALSE(DecodeKeyHex(std::string(size, '0'), out));
  }
  EXPECT_EQ(PublicKey::FromBytes(KeyBytes{5}), PublicKey(KeyBytes{5}));
  EXPECT_EQ(PublicKey::FromBytes(std::vector<std::uint8_t>(31)), std::nullopt);
  EXPECT_EQ(PublicKey::FromBytes(std::vector<std::uint8_t>(33)), std::nullopt);
  EXPECT_TRUE(PublicKey().is_zero());
  EXPECT_FALSE(PublicKey(KeyBytes{1}).is_zero());
}

}  // namespace
}  // namespace adit
