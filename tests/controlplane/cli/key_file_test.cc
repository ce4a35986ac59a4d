#include "controlplane/cli/key_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/status.h"
#include "tests/controlplane/cli/scratch_directory.h"

namespace adit::cli {
namespace {

using ::testing::HasSubstr;

class KeyFileTest : public ::testing::Test {
 protected:
  const ScratchDirectory scratch_;
  const std::string path_ = scratch_.File("alice.conf");
  SystemRandom random_;
  const ClientKey key_ = ClientKey::NewPrivate(random_);
};

TEST_F(KeyFileTest, KeepsTheKeyBesideUntilTheFileIsWhole) {
  auto file = KeyFile::Prepare(path_, false);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(scratch_.Names().size(), 0U);
  ASSERT_TRUE(file->KeepKey(key_).ok());
  EXPECT_EQ(scratch_.Read("alice.conf.pending-key"), std::string(key_.ToBase64().view()) + "\n");
  EXPECT_EQ(scratch_.ModeOf("alice.conf.pending-key"), 0600U);
  ASSERT_TRUE(file->Complete("[Interface]\n").ok());
  EXPECT_THAT(scratch_.Names(), ::testing::ElementsAre("alice.conf"));
  EXPECT_EQ(scratch_.Read("alice.conf"), "[Interface]\n");
  EXPECT_EQ(scratch_.ModeOf("alice.conf"), 0600U);
}

TEST_F(KeyFileTest, LeavesNothingWhenAbandoned) {
  auto file = KeyFile::Prepare(path_, false);
  ASSERT_TRUE(file.ok() && file->KeepKey(key_).ok());
  file->Abandon();
  EXPECT_EQ(scratch_.Names().size(), 0U);
}

TEST_F(KeyFileTest, NeverReplacesUnlessToldTo) {
  scratch_.Write("alice.conf", "old");
  const auto refused = KeyFile::Prepare(path_, false);
  ASSERT_TRUE(absl::IsAlreadyExists(refused.status()));
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("--force"));

  auto forced = KeyFile::Prepare(path_, true);
  ASSERT_TRUE(forced.ok() && forced->KeepKey(key_).ok());
  EXPECT_EQ(scratch_.Read("alice.conf"), "old");
  ASSERT_TRUE(forced->Complete("new").ok());
  EXPECT_EQ(scratch_.Read("alice.conf"), "new");
}

TEST_F(KeyFileTest, KeepsTheKeyWhenAFileAppearsMeanwhile) {
  auto file = KeyFile::Prepare(path_, false);
  ASSERT_TRUE(file.ok() && file->KeepKey(key_).ok());
  scratch_.Write("alice.conf", "somebody else's");
  EXPECT_TRUE(absl::IsAlreadyExists(file->Complete("new")));
  EXPECT_EQ(scratch_.Read("alice.conf"), "somebody else's");
  EXPECT_THAT(scratch_.Names(), ::testing::ElementsAre("alice.conf", "alice.conf.pending-key"));
}

TEST_F(KeyFileTest, AsksAboutAKeyThatAnEarlierAttemptLeft) {
  scratch_.Write("alice.conf.pending-key", "key");
  const auto file = KeyFile::Prepare(path_, true);
  ASSERT_TRUE(absl::IsAlreadyExists(file.status()));
  EXPECT_THAT(MessageOf(file.status()), HasSubstr("--private-key-file"));
  EXPECT_EQ(scratch_.Read("alice.conf.pending-key"), "key");
}

TEST_F(KeyFileTest, RefusesPlacesThatCannotBeWritten) {
  EXPECT_TRUE(absl::IsNotFound(KeyFile::Prepare(scratch_.File("no/alice.conf"), false).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(KeyFile::Prepare("", false).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(KeyFile::Prepare(scratch_.File(""), false).status()));
}

}  // namespace
}  // namespace adit::cli
