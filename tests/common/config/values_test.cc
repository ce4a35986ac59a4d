#include "common/config/values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/config/nearest.h"
#include "common/status.h"

namespace adit::config {
namespace {

using ::testing::HasSubstr;

template <typename T>
std::optional<T> Parse(std::string_view text) {
  T value{};
  return ParseValue(text, &value).ok() ? std::optional<T>(value) : std::nullopt;
}

TEST(Values, DurationsAddUpTheirUnits) {
  EXPECT_EQ(Parse<Duration>("500ms"), milliseconds(500));
  EXPECT_EQ(Parse<Duration>("10s"), seconds(10));
  EXPECT_EQ(Parse<Duration>("1m30s"), seconds(90));
  EXPECT_EQ(Parse<Duration>("2h"), seconds(7'200));
  EXPECT_EQ(Parse<Duration>("7d"), seconds(7 * 86'400));
  EXPECT_EQ(Parse<Duration>("0"), Duration(0));
}

TEST(Values, DurationsWithoutUnitOrSenseAreRefused) {
  for (const char* text : {"", "10", "s", "-1s", "1.5s", "1x", "10 s", "99999999999999999999s",
                           "9999999999d", "106751d106751d", "1s5"}) {
    EXPECT_EQ(Parse<Duration>(text), std::nullopt) << text;
  }
}

TEST(Values, DurationsPrintAsTheyParse) {
  for (const char* text : {"0", "500ms", "1m30s", "1h", "1d2h3m4s5ms"}) {
    EXPECT_EQ(FormatValue(*Parse<Duration>(text)), text);
  }
}

TEST(Values, NumbersAreWholeAndFit) {
  EXPECT_EQ(Parse<std::uint16_t>("65535"), 65'535);
  for (const char* text : {"65536", "-1", "+1", "0x10", "1 ", "", "1e3"}) {
    EXPECT_EQ(Parse<std::uint16_t>(text), std::nullopt) << text;
  }
}

TEST(Values, PrefixesHaveNoHostBits) {
  EXPECT_EQ(FormatValue(*Parse<IpPrefix>("10.0.0.0/8")), "10.0.0.0/8");
  EXPECT_EQ(FormatValue(*Parse<IpPrefix>("fd00::1")), "fd00::1/128");
  IpPrefix prefix;
  EXPECT_THAT(MessageOf(ParseValue("10.0.0.1/8", &prefix)), HasSubstr("10.0.0.0/8"));
  for (const char* text : {"", "10.0.0.0/33", "10.0.0/8", "::/129", "x/8", "10.0.0.0/"}) {
    EXPECT_EQ(Parse<IpPrefix>(text), std::nullopt) << text;
  }
}

TEST(Values, HostAndPortAreBothNeeded) {
  EXPECT_EQ(Parse<HostPort>("gw.example.com:51820"), (HostPort{"gw.example.com", 51'820}));
  EXPECT_EQ(Parse<HostPort>("[::1]:80"), (HostPort{"::1", 80}));
  EXPECT_EQ(FormatValue(HostPort{"::1", 80}), "[::1]:80");
  for (const char* text : {"", "gw", "gw:", ":51820", "gw:65536", "::1:80", "[::1]", "[gw]:1",
                           "g w:1", "-gw:1", "gw:1:2"}) {
    EXPECT_EQ(Parse<HostPort>(text), std::nullopt) << text;
  }
}

TEST(Values, SocketsAreUnixOrTcp) {
  EXPECT_EQ(Parse<SocketAddress>("unix:/run/adit/admin.sock")->unix_path, "/run/adit/admin.sock");
  EXPECT_EQ(Parse<SocketAddress>("tcp:0.0.0.0:7443")->tcp, (HostPort{"0.0.0.0", 7'443}));
  EXPECT_TRUE(Parse<SocketAddress>("unix:/" + std::string(106, 'x')).has_value());
  EXPECT_FALSE(Parse<SocketAddress>("unix:/" + std::string(107, 'x')).has_value());
  for (const char* text :
       {"", "/run/adit/admin.sock", "unix:run", "unix:", "tcp:hub", "http:hub:1"}) {
    EXPECT_EQ(Parse<SocketAddress>(text), std::nullopt) << text;
  }
}

TEST(Values, TogglesAndBooleansSayOnAndOff) {
  EXPECT_EQ(Parse<Toggle>("auto"), Toggle::kAuto);
  EXPECT_EQ(Parse<Toggle>("off"), Toggle::kOff);
  EXPECT_EQ(Parse<Toggle>("1"), std::nullopt);
  EXPECT_EQ(Parse<bool>("true"), true);
  EXPECT_EQ(Parse<bool>("auto"), std::nullopt);
}

TEST(Nearest, FindsASlipAndNothingFar) {
  const std::vector<std::string_view> names{"mtu", "tun-name", "shards"};
  EXPECT_EQ(Nearest("tunname", names), "tun-name");
  EXPECT_EQ(Nearest("shard", names), "shards");
  EXPECT_EQ(Nearest("advertise", names), std::nullopt);
  EXPECT_EQ(Nearest(std::string(1'000, 'm'), names), std::nullopt);
}

}  // namespace
}  // namespace adit::config
