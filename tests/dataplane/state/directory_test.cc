#include "dataplane/state/directory.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/status.h"
#include "tests/dataplane/state/temp_directory.h"

namespace adit::state {
namespace {

using ::testing::HasSubstr;

TEST(StateDirectory, IsMadeWithItsParentsForItsOwnerOnly) {
  const TempDirectory temp;
  const std::string path = temp.path() + "/a/b/state";
  ASSERT_TRUE(StateDirectory::Open(path).ok());
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700U);
}

TEST(StateDirectory, IsHeldByOneProcessAtATime) {
  const TempDirectory temp;
  {
    const auto first = StateDirectory::Open(temp.path());
    ASSERT_TRUE(first.ok());
    const auto second = StateDirectory::Open(temp.path());
    ASSERT_TRUE(absl::IsFailedPrecondition(second.status()));
    EXPECT_THAT(MessageOf(second.status()), HasSubstr("in use by another data plane"));
  }
  EXPECT_TRUE(StateDirectory::Open(temp.path()).ok());
}

TEST(StateDirectory, IsRefusedWhenOthersMayEnter) {
  const TempDirectory temp;
  chmod(temp.path().c_str(), 0750);
  const auto directory = StateDirectory::Open(temp.path());
  ASSERT_TRUE(absl::IsFailedPrecondition(directory.status()));
  EXPECT_THAT(MessageOf(directory.status()), HasSubstr("chmod 0700"));
}

TEST(StateDirectory, IsRefusedWhenItBelongsToAnother) {
  const TempDirectory temp;
  ASSERT_EQ(chown(temp.path().c_str(), 12345, 12345), 0);
  const auto directory = StateDirectory::Open(temp.path());
  ASSERT_TRUE(absl::IsFailedPrecondition(directory.status()));
  EXPECT_THAT(MessageOf(directory.status()), HasSubstr("belongs to uid 12345"));
}

TEST(StateDirectory, IsRefusedWhenItIsAFileOrALink) {
  const TempDirectory temp;
  WriteFileOf(temp.File("file"), "");
  EXPECT_FALSE(StateDirectory::Open(temp.File("file")).ok());
  std::filesystem::create_directory(temp.File("real"));
  std::filesystem::create_symlink(temp.File("real"), temp.File("link"));
  EXPECT_FALSE(StateDirectory::Open(temp.File("link")).ok());
}

TEST(StateDirectory, IsHandedToTheLaterUserWhenItIsMadeOrEmpty) {
  const TempDirectory temp;
  const std::string path = temp.path() + "/new/state";
  ASSERT_TRUE(StateDirectory::Prepare(path, 12345, 54321).ok());
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 12345U);
  EXPECT_EQ(status.st_gid, 54321U);
  EXPECT_EQ(status.st_mode & 0777, 0700U);
  ASSERT_EQ(stat((temp.path() + "/new").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 0U);

  std::filesystem::create_directory(temp.File("used"));
  WriteFileOf(temp.File("used/snapshot"), "x");
  ASSERT_TRUE(StateDirectory::Prepare(temp.File("used"), 12345, 54321).ok());
  ASSERT_EQ(stat(temp.File("used").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 0U);
}

TEST(StateDirectory, NeverFollowsALinkToAFile) {
  const TempDirectory temp;
  const auto directory = StateDirectory::Open(temp.path());
  ASSERT_TRUE(directory.ok());
  const TempDirectory elsewhere;
  WriteFileOf(elsewhere.File("victim"), "precious");
  std::filesystem::create_symlink(elsewhere.File("victim"), temp.File("name"));
  EXPECT_FALSE(directory->OpenExisting("name", O_RDONLY).ok());
  ASSERT_TRUE(directory->WriteAtomically("name", "mine").ok());
  EXPECT_EQ(ReadFileOf(elsewhere.File("victim")), "precious");
  EXPECT_EQ(directory->Read("name", 100).value(), "mine");
}

TEST(StateDirectory, KeepsTheOldContentWhenWritingFails) {
  const TempDirectory temp;
  const auto directory = StateDirectory::Open(temp.path());
  ASSERT_TRUE(directory->WriteAtomically("name", "old").ok());
  const absl::Status status = directory->WriteAtomically("name", [](int fd) {
    EXPECT_EQ(WriteAll(fd, "half of the n"), 0);
    return ErrnoStatus(ENOSPC, "write");
  });
  EXPECT_EQ(ErrnoOf(status), ENOSPC);
  EXPECT_EQ(directory->Read("name", 100).value(), "old");
  EXPECT_FALSE(std::filesystem::exists(temp.File("name.tmp")));
}

TEST(StateDirectory, BoundsWhatItReads) {
  const TempDirectory temp;
  const auto directory = StateDirectory::Open(temp.path());
  ASSERT_TRUE(directory->WriteAtomically("name", std::string(101, 'x')).ok());
  EXPECT_TRUE(absl::IsDataLoss(directory->Read("name", 100).status()));
  EXPECT_TRUE(absl::IsNotFound(directory->Read("none", 100).status()));
}

TEST(StateDirectory, SaysWhatToDoAboutAFullOrReadOnlyDisk) {
  const TempDirectory temp;
  const auto directory = StateDirectory::Open(temp.path());
  EXPECT_THAT(MessageOf(directory->Error(ENOSPC, "write", "journal-1")),
              HasSubstr("free space on that file system"));
  EXPECT_THAT(MessageOf(directory->Error(EROFS, "write", "journal-1")), HasSubstr("read-only"));
  EXPECT_EQ(ErrnoOf(directory->Error(EROFS, "write", "journal-1")), EROFS);
}

}  // namespace
}  // namespace adit::state
