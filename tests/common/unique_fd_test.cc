#include "common/unique_fd.h"

#include <fcntl.h>

#include <gtest/gtest.h>

namespace adit {
namespace {

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) != -1; }
int Open() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

TEST(UniqueFd, ClosesOnceAndMoves) {
  const int first = Open();
  {
    UniqueFd owner(first);
    EXPECT_TRUE(owner.is_open());
    UniqueFd moved = std::move(owner);
    EXPECT_FALSE(owner.is_open());  // NOLINT(bugprone-use-after-move): what is tested
    EXPECT_EQ(moved.get(), first);
    EXPECT_TRUE(IsOpen(first));
  }
  EXPECT_FALSE(IsOpen(first));
  UniqueFd a(Open());
  UniqueFd b(Open());
  const int replaced = a.get();
  const int kept = b.get();
  a = std::move(b);
  EXPECT_FALSE(IsOpen(replaced));
  EXPECT_EQ(a.get(), kept);
  UniqueFd& same = a;
  a = std::move(same);
  EXPECT_TRUE(IsOpen(kept)) << "moved onto itself";
  const int released = a.Release();
  EXPECT_FALSE(a.is_open());
  EXPECT_TRUE(IsOpen(released));
  a.Reset(released);
  a.Reset();
  EXPECT_FALSE(IsOpen(released));
}

}  // namespace
}  // namespace adit
