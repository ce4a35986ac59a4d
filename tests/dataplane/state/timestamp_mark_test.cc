#include "dataplane/state/timestamp_mark.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/dataplane/state/temp_directory.h"

namespace adit::state {
namespace {

using ::testing::HasSubstr;

class TimestampMarkTest : public ::testing::Test {
 protected:
  TimestampMark Open() {
    loaded_ = {};
    return TimestampMark::Open(directory_, loaded_).value();
  }
  static WallTime At(int s) { return WallTime(seconds(s)); }

  const TempDirectory temp_;
  const StateDirectory directory_ = StateDirectory::Open(temp_.path()).value();
  TimestampMark::Loaded loaded_;
};

TEST_F(TimestampMarkTest, IsOnDiskAheadOfTheTime) {
  for (int now = 1000; now < 1100; ++now) {
    {
      TimestampMark mark = Open();
      ASSERT_TRUE(mark.EnsureCovers(At(now), At(now)).ok());
    }
    Open();
    EXPECT_EQ(loaded_.problem, "");
    EXPECT_GE(loaded_.mark, At(now + 10));
    EXPECT_LE(loaded_.mark, At(now + 20));
    EXPECT_LE(loaded_.written_at, At(now));
  }
}

TEST_F(TimestampMarkTest, IsNotWrittenWhileItCovers) {
  TimestampMark mark = Open();
  ASSERT_TRUE(mark.EnsureCovers(At(1000), At(1000)).ok());
  const std::string before = ReadFileOf(temp_.File("timestamp-mark"));
  ASSERT_TRUE(mark.EnsureCovers(At(1009), At(1009)).ok());
  EXPECT_EQ(ReadFileOf(temp_.File("timestamp-mark")), before);
  ASSERT_TRUE(mark.EnsureCovers(At(1011), At(1011)).ok());
  EXPECT_NE(ReadFileOf(temp_.File("timestamp-mark")), before);
}

TEST_F(TimestampMarkTest, DoesNotFallWhenTheClockIsSetBack) {
  {
    TimestampMark mark = Open();
    ASSERT_TRUE(mark.EnsureCovers(At(5000), At(5000)).ok());
    ASSERT_TRUE(mark.EnsureCovers(At(1000), At(1000)).ok());
  }
  Open();
  EXPECT_GE(loaded_.mark, At(5010));
}

TEST_F(TimestampMarkTest, SurvivesATornWrite) {
  {
    TimestampMark mark = Open();
    ASSERT_TRUE(mark.EnsureCovers(At(1000), At(1000)).ok());
    ASSERT_TRUE(mark.EnsureCovers(At(2000), At(2000)).ok());
  }
  const std::string good = ReadFileOf(temp_.File("timestamp-mark"));
  ASSERT_EQ(good.size(), 1024U);
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(~bad[i]);
    WriteFileOf(temp_.File("timestamp-mark"), bad);
    Open();
    EXPECT_EQ(loaded_.problem, "") << i;
    EXPECT_TRUE(loaded_.mark == At(1020) || loaded_.mark == At(2020)) << i;
  }
}

TEST_F(TimestampMarkTest, TellsWhenNothingIsWhole) {
  WriteFileOf(temp_.File("timestamp-mark"), std::string(1024, 'x'));
  TimestampMark mark = Open();
  EXPECT_THAT(loaded_.problem, HasSubstr("is damaged"));
  ASSERT_TRUE(mark.EnsureCovers(At(1000), At(1000)).ok());
  Open();
  EXPECT_EQ(loaded_.mark, At(1020));
  EXPECT_EQ(ReadFileOf(temp_.File("damaged-timestamp-mark")), std::string(1024, 'x'));
}

}  // namespace
}  // namespace adit::state
