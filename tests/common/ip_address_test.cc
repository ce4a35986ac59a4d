#include "common/ip_address.h"

#include <gtest/gtest.h>

#include "tests/support/seeded_random.h"

namespace adit {
namespace {

IpAddress Ip(std::string_view text) { return IpAddress::Parse(text).value_or(IpAddress()); }

IpAddress RandomAddress(testing::SeededRandom& random) {
  std::uint8_t bytes[16];
  random.Fill(bytes);
  return random.Below(2) == 0 ? IpAddress::V4(bytes) : IpAddress::V6(bytes);
}

TEST(IpAddress, ParsesAndPrintsBothFamilies) {
  for (const char* text : {"0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "::1", "2001:db8::1",
                           "fe80::1:2:3:4", "1:2:3:4:5:6:7:8"}) {
    EXPECT_EQ(Ip(text).ToString(), text);
  }
  EXPECT_EQ(Ip("2001:DB8:0:0:0:0:0:1").ToString(), "2001:db8::1");
  EXPECT_EQ(Ip("::ffff:192.0.2.1").family(), IpFamily::kV6);
}

TEST(IpAddress, RefusesEverythingElse) {
  for (const std::string_view text : {"", " ", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4 ",
                                      " 1.2.3.4", "01.2.3.4", "1.2.3.4/24", "1.2.3.4:5", "::1%1",
                                      "[::1]", ":::", "1::2::3", "g::1", "localhost", "12345::"}) {
    EXPECT_EQ(IpAddress::Parse(text), std::nullopt) << text;
  }
  EXPECT_EQ(IpAddress::Parse(std::string_view("1.2.3.4\0x", 9)), std::nullopt);
}

TEST(IpAddress, TextAndBytesRoundTrip) {
  testing::SeededRandom random(1);
  for (int i = 0; i < 5000; ++i) {
    const IpAddress address = RandomAddress(random);
    ASSERT_EQ(Ip(address.ToString()), address);
    ASSERT_EQ(IpAddress::FromBytes(address.bytes()), address);
  }
  for (const std::size_t size : {0U, 1U, 3U, 5U, 15U, 17U}) {
    EXPECT_EQ(IpAddress::FromBytes(std::vector<std::uint8_t>(size)), std::nullopt);
  }
}

TEST(IpAddress, KnowsItsKinds) {
  EXPECT_TRUE(Ip("127.255.0.1").is_loopback() && Ip("::1").is_loopback());
  EXPECT_FALSE(Ip("128.0.0.1").is_loopback() || Ip("::2").is_loopback() || Ip("::").is_loopback());
  EXPECT_TRUE(Ip("224.0.0.1").is_multicast() && Ip("239.255.255.255").is_multicast());
  EXPECT_TRUE(Ip("255.255.255.255").is_multicast() && Ip("ff02::1").is_multicast());
  EXPECT_FALSE(Ip("223.1.1.1").is_multicast() || Ip("240.0.0.1").is_multicast());
  EXPECT_FALSE(Ip("fe80::1").is_multicast());
  EXPECT_TRUE(Ip("169.254.3.4").is_link_local() && Ip("fe80::1").is_link_local());
  EXPECT_TRUE(Ip("febf::1").is_link_local());
  EXPECT_FALSE(Ip("fec0::1").is_link_local() || Ip("169.253.1.1").is_link_local());
  EXPECT_TRUE(Ip("::ffff:10.0.0.1").is_v4_mapped());
  EXPECT_FALSE(Ip("10.0.0.1").is_v4_mapped() || Ip("::fffe:10.0.0.1").is_v4_mapped());
  EXPECT_TRUE(Ip("0.0.0.0").is_unspecified() && Ip("::").is_unspecified());
  EXPECT_FALSE(Ip("0.0.0.1").is_unspecified());
  const IpAddress none;
  EXPECT_FALSE(none.is_set() || none.is_loopback() || none.is_multicast() || none.is_link_local());
  EXPECT_EQ(none.ToString(), "");
  EXPECT_TRUE(none.bytes().empty());
  EXPECT_TRUE(Ip("128.0.0.1").bit(0));
  EXPECT_FALSE(Ip("128.0.0.1").bit(1));
  EXPECT_TRUE(Ip("128.0.0.1").bit(31));
}

TEST(IpPrefix, ParsesClearsHostBitsAndPrints) {
  EXPECT_EQ(IpPrefix::Parse("10.1.2.3/8")->ToString(), "10.0.0.0/8");
  EXPECT_EQ(IpPrefix::Parse("10.1.2.3")->ToString(), "10.1.2.3/32");
  EXPECT_EQ(IpPrefix::Parse("2001:db8::1")->ToString(), "2001:db8::1/128");
  EXPECT_EQ(IpPrefix::Parse("2001:db8::ffff/33")->ToString(), "2001:db8::/33");
  EXPECT_EQ(IpPrefix::Parse("0.0.0.0/0")->ToString(), "0.0.0.0/0");
  for (const char* text :
       {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/ 8",
        "10.0.0.0/8 ", "10.0.0.0/8/8", "10.0.0.0/+8", "10.0.0.0/4294967304", "x/8"}) {
    EXPECT_EQ(IpPrefix::Parse(text), std::nullopt) << text;
  }
  EXPECT_EQ(IpPrefix().ToString(), "");
}

TEST(IpPrefix, ContainsAgreesWithComparingBits) {
  testing::SeededRandom random(2);
  for (int i = 0; i < 20'000; ++i) {
    const IpAddress address = RandomAddress(random);
    const IpPrefix prefix(address, static_cast<unsigned>(random.Below(address.bit_count() + 1)));
    std::uint8_t bytes[16] = {};
    std::ranges::copy(address.bytes(), bytes);
    const auto flip = static_cast<unsigned>(random.Below(address.bit_count()));
    bytes[flip / 8] = static_cast<std::uint8_t>(bytes[flip / 8] ^ (0x80U >> (flip % 8)));
    const IpAddress other = address.is_v4() ? IpAddress::V4(bytes) : IpAddress::V6(bytes);
    ASSERT_TRUE(prefix.Contains(address));
    ASSERT_EQ(prefix.Contains(other), flip >= prefix.length()) << prefix.ToString();
  }
}

TEST(IpPrefix, ContainsAndOverlapsPrefixesOfItsFamilyOnly) {
  const IpPrefix ten = *IpPrefix::Parse("10.0.0.0/8");
  EXPECT_TRUE(ten.Contains(*IpPrefix::Parse("10.1.0.0/16")));
  EXPECT_TRUE(ten.Contains(ten));
  EXPECT_FALSE(ten.Contains(*IpPrefix::Parse("0.0.0.0/0")));
  EXPECT_TRUE(ten.Overlaps(*IpPrefix::Parse("0.0.0.0/0")));
  EXPECT_FALSE(ten.Overlaps(*IpPrefix::Parse("11.0.0.0/8")));
  EXPECT_FALSE(IpPrefix::Parse("0.0.0.0/0")->Contains(*IpAddress::Parse("::1")));
  EXPECT_FALSE(IpPrefix::Parse("::/0")->Contains(*IpAddress::Parse("10.0.0.1")));
  EXPECT_FALSE(IpPrefix::Parse("::/0")->Overlaps(ten));
  EXPECT_FALSE(ten.Contains(IpAddress()));
}

TEST(Endpoint, ParsesAndPrints) {
  for (const char* text :
       {"192.0.2.1:51820", "[2001:db8::1]:1", "[fe80::1%3]:65535", "0.0.0.0:0"}) {
    const auto endpoint = Endpoint::Parse(text);
    ASSERT_TRUE(endpoint.has_value()) << text;
    EXPECT_EQ(endpoint->ToString(), text);
  }
  EXPECT_EQ(Endpoint::Parse("[fe80::1%3]:5")->scope, 3U);
  for (const char* text :
       {"", ":", "1.2.3.4", "1.2.3.4:", ":51820", "1.2.3.4:65536", "1.2.3.4:x", "2001:db8::1:80",
        "[2001:db8::1]", "[2001:db8::1]:", "[1.2.3.4]:5", "[::1%]:5", "[::1%eth0]:5", "[]:5",
        "host:51820", "1.2.3.4: 5", "1.2.3.4:-5"}) {
    EXPECT_EQ(Endpoint::Parse(text), std::nullopt) << text;
  }
  EXPECT_EQ(Endpoint().ToString(), "");
}

TEST(Endpoint, SockaddrsRoundTrip) {
  testing::SeededRandom random(3);
  for (int i = 0; i < 1000; ++i) {
    Endpoint endpoint{RandomAddress(random), static_cast<std::uint16_t>(random.Next32()), 0};
    if (endpoint.address.is_v6()) {
      endpoint.scope = static_cast<std::uint32_t>(random.Below(9));
    }
    sockaddr_storage storage{};
    ASSERT_GT(endpoint.ToSockaddr(storage), 0U);
    ASSERT_EQ(Endpoint::FromSockaddr(storage), endpoint);
  }
  sockaddr_storage storage{};
  EXPECT_EQ(Endpoint().ToSockaddr(storage), 0U);
  storage.ss_family = AF_UNIX;
  EXPECT_EQ(Endpoint::FromSockaddr(storage), std::nullopt);
}

}  // namespace
}  // namespace adit
