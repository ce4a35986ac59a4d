#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/config/parser.h"
#include "tests/common/config/config_support.h"

namespace adit::config {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ReloadTest : public ::testing::Test {
 protected:
  ReloadTest() { options_.Declare(parser_); }

  const ConfigFile file_{"log-level: debug\nmtu: 1300\n"};
  Options options_;
  Parser parser_{"adit-test", ""};
};

TEST_F(ReloadTest, AppliesWhatMayChangeAndNamesWhatNeedsARestart) {
  ASSERT_TRUE(parser_.Parse({"--config", file_.path()}, EnvironmentOf({})).ok());
  file_.Write("log-level: warn\nmtu: 1400\ninterval: 5s\n");
  auto reloaded = parser_.Reload();
  ASSERT_TRUE(reloaded.ok()) << reloaded.status();
  EXPECT_THAT(reloaded->applied, ElementsAre("log-level", "interval"));
  EXPECT_THAT(reloaded->needs_restart, ElementsAre("mtu"));
  EXPECT_EQ(options_.log_level, "warn");
  EXPECT_EQ(options_.interval, seconds(5));
  EXPECT_EQ(options_.mtu, 1300U);

  // A second reading says again what still needs a restart; a key that went is back at its default.
  file_.Write("mtu: 1400\n");
  reloaded = parser_.Reload();
  ASSERT_TRUE(reloaded.ok());
  EXPECT_THAT(reloaded->applied, ElementsAre("log-level", "interval"));
  EXPECT_THAT(reloaded->needs_restart, ElementsAre("mtu"));
  EXPECT_EQ(options_.log_level, "info");
  EXPECT_EQ(options_.interval, seconds(10));
}

TEST_F(ReloadTest, ChangesNothingWhenTheFileDoesNotParse) {
  ASSERT_TRUE(parser_.Parse({"--config", file_.path()}, EnvironmentOf({})).ok());
  for (const char* text : {"log-level: warn\nmtu: 5\n", "log-level: warn\nnonsense: 1\n", "\t{"}) {
    file_.Write(text);
    EXPECT_FALSE(parser_.Reload().ok()) << text;
    EXPECT_EQ(options_.log_level, "debug") << text;
  }
  file_.Write("log-level: debug\nmtu: 1300\n");
  const auto reloaded = parser_.Reload();
  ASSERT_TRUE(reloaded.ok());
  EXPECT_THAT(reloaded->applied, IsEmpty());
}

TEST_F(ReloadTest, KeepsWhatTheCommandLineAndTheEnvironmentSay) {
  ASSERT_TRUE(parser_
                  .Parse({"--config", file_.path(), "--log-level", "info"},
                         EnvironmentOf({{"ADIT_INTERVAL", "1s"}}))
                  .ok());
  file_.Write("log-level: warn\nmtu: 1300\ninterval: 7s\n");
  const auto reloaded = parser_.Reload();
  ASSERT_TRUE(reloaded.ok());
  EXPECT_THAT(reloaded->applied, IsEmpty());
  EXPECT_EQ(options_.log_level, "info");
  EXPECT_EQ(options_.interval, seconds(1));
}

TEST_F(ReloadTest, HasNothingToDoWithoutAFile) {
  ASSERT_TRUE(parser_.Parse({"--mtu", "1400"}, EnvironmentOf({})).ok());
  const auto reloaded = parser_.Reload();
  ASSERT_TRUE(reloaded.ok());
  EXPECT_THAT(reloaded->applied, IsEmpty());
  EXPECT_THAT(reloaded->needs_restart, IsEmpty());
  EXPECT_EQ(options_.mtu, 1400U);
}

}  // namespace
}  // namespace adit::config
