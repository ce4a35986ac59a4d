#include "dataplane/io/tun_device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/status.h"
#include "tests/support/fake_syscalls.h"

namespace adit::io {
namespace {

using ::testing::ElementsAre;
using testing::FakeSyscalls;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class TunDeviceTest : public ::testing::Test {
 protected:
  absl::StatusOr<TunDevice> Open(OffloadSwitch offload = OffloadSwitch::kAuto) {
    return TunDevice::Open(kernel_, {.name = "adit0", .offload = offload});
  }
  std::string ErrorOf(const absl::StatusOr<TunDevice>& device) {
    return MessageOf(device.status());
  }

  FakeSyscalls kernel_;
};

TEST_F(TunDeviceTest, OpensOneQueueWithEveryOffloadAndItsLimits) {
  const auto device = Open();
  ASSERT_TRUE(device.ok()) << ErrorOf(device);
  EXPECT_THAT(kernel_.calls,
              ElementsAre("open /dev/net/tun", "ioctl TUNSETIFF", "ioctl TUNSETVNETHDRSZ",
                          "ioctl TUNSETOFFLOAD 0x67", "socket AF_NETLINK", "ioctl SIOCGIFINDEX",
                          "rtnetlink IFLA_GSO_MAX_SEGS 128", "rtnetlink IFLA_TXQLEN 1000",
                          "ioctl TUNSETPERSIST 0x1"));
  EXPECT_EQ(kernel_.interface_name, "adit0");
  EXPECT_EQ(kernel_.interface_flags, IFF_TUN | IFF_NO_PI | IFF_VNET_HDR);
  EXPECT_EQ(kernel_.virtio_header_size, 10);
  EXPECT_EQ(device->name(), "adit0");
  EXPECT_EQ(device->index(), 7U);
  EXPECT_EQ(device->offloads(), (TunOffloads{.tcp = true, .udp = true}));
  EXPECT_THAT(device->limitations(), IsEmpty());
}

TEST_F(TunDeviceTest, InterfaceThatEndsWithTheProcessIsSaidToBeSo) {
  auto device = TunDevice::Open(kernel_, {.name = "adit0", .is_persistent = false});
  ASSERT_TRUE(device.ok());
  EXPECT_TRUE(kernel_.Saw("ioctl TUNSETPERSIST 0x0"));
  EXPECT_TRUE(device->SetPersistent(true).ok());
  EXPECT_TRUE(kernel_.Saw("ioctl TUNSETPERSIST 0x1"));
  kernel_.Fail("ioctl TUNSETPERSIST", EBADFD);
  EXPECT_EQ(ErrnoOf(device->SetPersistent(false)), EBADFD);
}

TEST_F(TunDeviceTest, DeletedInterfaceIsMadeAgainBehindTheSameDescriptor) {
  auto device = Open();
  ASSERT_TRUE(device.ok()) << ErrorOf(device);
  const int fd = device->fd();
  std::vector<std::string> calls = std::exchange(kernel_.calls, {});
  EXPECT_TRUE(device->Reattach().ok());
  calls.erase(calls.begin());  // "open"
  EXPECT_EQ(kernel_.calls, calls);
  EXPECT_EQ(device->fd(), fd);

  kernel_.Fail("ioctl TUNSETIFF", EBUSY);
  EXPECT_EQ(ErrnoOf(device->Reattach()), EBUSY);
  kernel_.Fail("ioctl TUNSETOFFLOAD 0x67", EINVAL);
  EXPECT_EQ(device->Reattach().code(), absl::StatusCode::kFailedPrecondition)
      << "packets are merged that would not cross";
}

TEST_F(TunDeviceTest, NamesThatNoInterfaceMayHaveAreRefusedBeforeAnyCall) {
  for (const char* name : {"", "sixteen-letters-", "a/b", "a:b", "tun%d", "a b", ".", ".."}) {
    const auto device = TunDevice::Open(kernel_, {.name = name});
    EXPECT_EQ(device.status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
  EXPECT_THAT(kernel_.calls, IsEmpty());
}

// Every way to fail keeps its errno and says what to do.
TEST_F(TunDeviceTest, EveryRefusalNamesItsRemedy) {
  struct Case {
    const char* call;
    int error;
    const char* text;
  };
  const Case cases[] = {
      {"open /dev/net/tun", ENOENT, "modprobe tun"},
      {"open /dev/net/tun", ENODEV, "--device /dev/net/tun"},
      {"open /dev/net/tun", ENXIO, "modprobe tun"},
      {"open /dev/net/tun", EACCES, "start as root"},
      {"open /dev/net/tun", EPERM, "--device /dev/net/tun:rw"},
      {"open /dev/net/tun", EMFILE, "open /dev/net/tun"},
      {"ioctl TUNSETIFF", EBUSY, "another running process holds it"},
      {"ioctl TUNSETIFF", EPERM, "CAP_NET_ADMIN"},
      {"ioctl TUNSETIFF", EINVAL, "ip link delete adit0"},
      {"ioctl TUNSETIFF", ENOMEM, "adit0"},
      {"ioctl TUNSETIFF", EEXIST, "another network namespace"},
      {"ioctl TUNSETVNETHDRSZ", EINVAL, "virtio header size of adit0"},
      {"socket AF_NETLINK", EAFNOSUPPORT, "rtnetlink"},
      {"ioctl SIOCGIFINDEX", ENODEV, "adit0"},
      {"ioctl TUNSETPERSIST", EBADFD, "adit0"},
  };
  for (const Case& one : cases) {
    kernel_.Fail(one.call, one.error);
    const auto device = Open();
    EXPECT_EQ(ErrnoOf(device.status()), one.error) << one.call;
    EXPECT_THAT(ErrorOf(device), HasSubstr(one.text)) << one.call;
  }
  EXPECT_TRUE(Open().ok());
}

TEST_F(TunDeviceTest, KernelWithoutUdpSegmentationDoesWithout) {
  kernel_.Fail("ioctl TUNSETOFFLOAD 0x67", EINVAL);
  const auto device = Open();
  ASSERT_TRUE(device.ok());
  EXPECT_EQ(device->offloads(), (TunOffloads{.tcp = true, .udp = false}));
  EXPECT_TRUE(kernel_.Saw("ioctl TUNSETOFFLOAD 0x7"));
  EXPECT_THAT(device->limitations(), ElementsAre(HasSubstr("Linux 6.2")));
}

TEST_F(TunDeviceTest, KernelWithoutOffloadsDoesWithoutAny) {
  kernel_.Fail("ioctl TUNSETOFFLOAD 0x", EINVAL, 2);
  const auto device = Open();
  ASSERT_TRUE(device.ok());
  EXPECT_EQ(device->offloads(), TunOffloads{});
  EXPECT_TRUE(kernel_.Saw("ioctl TUNSETOFFLOAD 0x0"));
  EXPECT_THAT(device->limitations(), ElementsAre(HasSubstr("one by one")));
}

TEST_F(TunDeviceTest, OffloadsThatMustBeOnAreAnErrorWhereTheyAreMissing) {
  EXPECT_EQ(Open(OffloadSwitch::kOn)->offloads(), (TunOffloads{.tcp = true, .udp = true}));
  kernel_.Fail("ioctl TUNSETOFFLOAD 0x67", EINVAL);
  const auto without_udp = Open(OffloadSwitch::kOn);
  EXPECT_EQ(without_udp.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(ErrorOf(without_udp), HasSubstr("use auto"));
  kernel_.Fail("ioctl TUNSETOFFLOAD", EINVAL, 2);
  const auto without_any = Open(OffloadSwitch::kOn);
  EXPECT_EQ(ErrnoOf(without_any.status()), EINVAL);
  EXPECT_THAT(ErrorOf(without_any), HasSubstr("use auto"));
}

// A persistent interface remembers what its last owner wanted.
TEST_F(TunDeviceTest, OffloadsThatAreOffAreTakenBack) {
  const auto device = Open(OffloadSwitch::kOff);
  ASSERT_TRUE(device.ok());
  EXPECT_EQ(device->offloads(), TunOffloads{});
  EXPECT_TRUE(kernel_.Saw("ioctl TUNSETOFFLOAD 0x0"));
  EXPECT_FALSE(kernel_.Saw("ioctl TUNSETOFFLOAD 0x67"));
  EXPECT_THAT(device->limitations(), IsEmpty());
  kernel_.Fail("ioctl TUNSETOFFLOAD 0x0", EBADFD);
  EXPECT_EQ(ErrnoOf(Open(OffloadSwitch::kOff).status()), EBADFD);
}

TEST_F(TunDeviceTest, LimitsThatTheKernelRefusesAreSaidAndLivedWith) {
  kernel_.Fail("rtnetlink IFLA_GSO_MAX_SEGS", EOPNOTSUPP);
  kernel_.Fail("rtnetlink IFLA_TXQLEN", EPERM);
  const auto device = Open();
  ASSERT_TRUE(device.ok());
  EXPECT_THAT(device->limitations(),
              ElementsAre(HasSubstr("gso_max_segs"), HasSubstr("txqueuelen")));
  kernel_.Fail("recvmsg", ENOBUFS);
  EXPECT_THAT(Open()->limitations(), ElementsAre(HasSubstr("gso_max_segs")));
}

}  // namespace
}  // namespace adit::io
