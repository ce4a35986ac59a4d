#include "common/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace adit {
namespace {

TEST(Log, WritesOneLineWithTimeLevelAndProgram) {
  ASSERT_TRUE(InitLog("adit-test", "info").ok());
  ::testing::internal::CaptureStderr();
  LOG_INFO("peer {} is gone", 7);
  LOG_WARN("disk full");
  LOG_DEBUG("not at this level");
  const std::string out = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(out,
              ::testing::MatchesRegex("....-..-..T..:..:..\\....Z INFO  adit-test: peer 7 is gone\n"
                                      "....-..-..T..:..:..\\....Z WARN  adit-test: disk full\n"));
}

TEST(Log, TheLevelChangesAtRunTimeAndAnUnknownOneChangesNothing) {
  ASSERT_TRUE(InitLog("adit-test", "error").ok());
  const absl::Status refused = SetLogLevel("loud");
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(MessageOf(refused).find("trace, debug, info, warn, error or off"), std::string::npos);
  ::testing::internal::CaptureStderr();
  LOG_WARN("still quiet");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  for (const char* level : {"trace", "debug", "info", "warn", "error", "off"}) {
    EXPECT_TRUE(SetLogLevel(level).ok()) << level;
  }
  ASSERT_TRUE(SetLogLevel("trace").ok());
  ::testing::internal::CaptureStderr();
  LOG_TRACE("everything");
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("TRACE adit-test: everything"),
            std::string::npos);
}

}  // namespace
}  // namespace adit
