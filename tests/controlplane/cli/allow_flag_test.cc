#include "controlplane/cli/allow_flag.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/status.h"

namespace adit::cli {
namespace {

using admin::v1::Allow;
using ::testing::HasSubstr;

TEST(AllowFlag, ReadsPortsAndRangesOfBothProtocols) {
  admin::v1::Resource resource;
  ASSERT_TRUE(FillAllow({"tcp:443,8000-8100", "udp:53", "icmp"}, &resource).ok());
  EXPECT_FALSE(resource.allow_all());
  ASSERT_EQ(resource.allow_size(), 4);
  EXPECT_EQ(resource.allow(0).protocol(), Allow::TCP);
  EXPECT_EQ(resource.allow(0).first_port(), 443U);
  EXPECT_EQ(resource.allow(0).last_port(), 443U);
  EXPECT_EQ(resource.allow(1).first_port(), 8'000U);
  EXPECT_EQ(resource.allow(1).last_port(), 8'100U);
  EXPECT_EQ(resource.allow(2).protocol(), Allow::UDP);
  EXPECT_EQ(resource.allow(3).protocol(), Allow::ICMP);
  EXPECT_EQ(FormatAllow(resource), "tcp:443,8000-8100 udp:53 icmp");
}

TEST(AllowFlag, AllMustBeSaidAndStandsAlone) {
  admin::v1::Resource resource;
  ASSERT_TRUE(FillAllow({"all"}, &resource).ok());
  EXPECT_TRUE(resource.allow_all());
  EXPECT_EQ(resource.allow_size(), 0);
  EXPECT_EQ(FormatAllow(resource), "all");
  EXPECT_THAT(MessageOf(FillAllow({"icmp", "all"}, &resource)), HasSubstr("alone"));
  EXPECT_THAT(MessageOf(FillAllow({}, &resource)), HasSubstr("--allow all"));
  EXPECT_FALSE(resource.allow_all());
}

TEST(AllowFlag, RefusesWhatIsNotAPortOrProtocol) {
  for (const char* text :
       {"", "tcp", "tcp:", "tcp:0", "tcp:65536", "tcp:5-4", "tcp:1-", "tcp:-1", "tcp:1,,2",
        "tcp:1,", "tcp: 1", "sctp:1", "icmp:8", "ALL", "udp:53 ", "tcp:443;udp:1", "tcp:0x10"}) {
    admin::v1::Resource resource;
    const absl::Status status = FillAllow({text}, &resource);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text;
    EXPECT_THAT(MessageOf(status), HasSubstr("--allow: \"" + std::string(text) + "\"")) << text;
  }
}

}  // namespace
}  // namespace adit::cli
