#include "common/spare_descriptor.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <vector>

#include <gtest/gtest.h>

namespace adit {
namespace {

// Takes all descriptors the process may have, and gives them back.
class NoDescriptors {
 public:
  NoDescriptors() {
    getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit low{64, before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &low);
    for (int fd = open("/dev/null", O_RDONLY); fd >= 0; fd = open("/dev/null", O_RDONLY)) {
      taken_.emplace_back(fd);
    }
  }
  ~NoDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;
  void GiveBackOne() { taken_.pop_back(); }

 private:
  rlimit before_{};
  std::vector<UniqueFd> taken_;
};

class SpareDescriptorTest : public ::testing::Test {
 protected:
  // An abstract socket of this process.
  void SetUp() override {
    listener_.Reset(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    ASSERT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&name), sizeof(sa_family_t)), 0);
    ASSERT_EQ(listen(listener_.get(), 4), 0);
  }
  UniqueFd Connect() {
    sockaddr_un name{};
    socklen_t size = sizeof name;
    EXPECT_EQ(getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&name), &size), 0);
    UniqueFd caller(socket(AF_UNIX, SOCK_STREAM, 0));
    EXPECT_EQ(connect(caller.get(), reinterpret_cast<sockaddr*>(&name), size), 0);
    return caller;
  }
  static bool IsHungUpOn(const UniqueFd& caller) {
    char byte = 0;
    return recv(caller.get(), &byte, 1, MSG_DONTWAIT) == 0;
  }

  UniqueFd listener_;
};

TEST_F(SpareDescriptorTest, CallersAreHungUpOnOneByOneWhileThereIsNoDescriptor) {
  SpareDescriptor spare;
  const UniqueFd first = Connect();
  const UniqueFd second = Connect();
  const NoDescriptors none;
  ASSERT_EQ(accept(listener_.get(), nullptr, nullptr), -1);
  ASSERT_EQ(errno, EMFILE);
  EXPECT_TRUE(spare.RefuseOne(listener_.get()));
  EXPECT_TRUE(IsHungUpOn(first));
  EXPECT_FALSE(IsHungUpOn(second));
  EXPECT_TRUE(spare.RefuseOne(listener_.get()));
  EXPECT_TRUE(IsHungUpOn(second));
  EXPECT_EQ(accept(listener_.get(), nullptr, nullptr), -1);
  EXPECT_EQ(errno, EMFILE) << "the spare descriptor is kept again";
}

TEST(CanOpenDescriptors, CountsThem) {
  EXPECT_TRUE(CanOpenDescriptors(3));
  NoDescriptors none;
  EXPECT_FALSE(CanOpenDescriptors(1));
  none.GiveBackOne();
  EXPECT_TRUE(CanOpenDescriptors(1));
  EXPECT_FALSE(CanOpenDescriptors(2));
}

TEST_F(SpareDescriptorTest, SpareThatIsGoneIsKeptAgainWhenThereIsOne) {
  const UniqueFd caller = Connect();
  NoDescriptors none;
  SpareDescriptor spare;
  EXPECT_FALSE(spare.RefuseOne(listener_.get()));
  EXPECT_FALSE(IsHungUpOn(caller));
  none.GiveBackOne();
  EXPECT_FALSE(spare.RefuseOne(listener_.get()));
  EXPECT_TRUE(spare.RefuseOne(listener_.get()));
  EXPECT_TRUE(IsHungUpOn(caller));
}

}  // namespace
}  // namespace adit
