#include "dataplane/host/privileges.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/process.h"
#include "common/status.h"
#include "tests/dataplane/host/host_namespace.h"

namespace adit::host {
namespace {

using testing::HasSubstr;

constexpr Account kOtherGroup{64061, 64062};
constexpr char kNetAdminOnly[] = "0000000000001000";
constexpr char kNone[] = "0000000000000000";

// One field of /proc/self/status.
std::string StatusField(const std::string& name) {
  const std::string status = ReadFile("/proc/self/status");
  const std::size_t start = status.find("\n" + name + ":");
  if (start == std::string::npos) {
    return "absent";
  }
  const std::size_t value = start + name.size() + 2;
  std::string text = status.substr(value, status.find('\n', value) - value);
  text.erase(0, text.find_first_not_of(" \t"));
  return text;
}

void ExpectNetAdminOnly() {
  EXPECT_EQ(StatusField("CapPrm"), kNetAdminOnly);
  EXPECT_EQ(StatusField("CapEff"), kNetAdminOnly);
  EXPECT_EQ(StatusField("CapInh"), kNone);
  EXPECT_EQ(StatusField("CapAmb"), kNone);
  EXPECT_EQ(StatusField("CapBnd"), kNone);
  EXPECT_EQ(StatusField("NoNewPrivs"), "1");
  EXPECT_EQ(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
  rlimit core{};
  EXPECT_EQ(getrlimit(RLIMIT_CORE, &core), 0);
  EXPECT_EQ(core.rlim_cur, 0U);
  EXPECT_EQ(core.rlim_max, 0U);
  EXPECT_TRUE(*HasNetAdmin());
  EXPECT_TRUE(*HasAnyCapability());
}

TEST(Privileges, DropToEndsAsTheAccountWithNetAdminOnly) {
  EXPECT_TRUE(InChild([] {
    const gid_t groups[] = {4, 27};
    EXPECT_EQ(setgroups(2, groups), 0);
    EXPECT_EQ(DropTo(kOtherGroup), absl::OkStatus());
    EXPECT_EQ(StatusField("Uid"), "64061\t64061\t64061\t64061");
    EXPECT_EQ(StatusField("Gid"), "64062\t64062\t64062\t64062");
    EXPECT_EQ(StatusField("Groups"), "");
    ExpectNetAdminOnly();
    struct stat status {};
    EXPECT_EQ(stat("/proc/self/environ", &status), 0);
    EXPECT_EQ(status.st_uid, 0U) << "the files of a process that is not dumpable are root's";
    return true;
  }));
}

TEST(Privileges, Uid0CannotComeBack) {
  EXPECT_TRUE(InChild([] {
    EXPECT_EQ(DropTo(kOtherGroup), absl::OkStatus());
    EXPECT_NE(setuid(0), 0);
    EXPECT_NE(seteuid(0), 0);
    EXPECT_NE(setreuid(0, 0), 0);
    EXPECT_NE(setgid(0), 0);
    EXPECT_NE(setgroups(0, nullptr), 0);
    EXPECT_EQ(open("/etc/shadow", O_RDONLY), -1);
    return true;
  }));
}

TEST(Privileges, ThreadsAndChildrenHaveNoMore) {
  EXPECT_TRUE(InChild([] {
    EXPECT_EQ(DropTo(kOtherGroup), absl::OkStatus());
    std::thread([] { ExpectNetAdminOnly(); }).join();
    const std::string after_exec = Must("grep -E 'CapPrm|CapEff' /proc/self/status");
    EXPECT_EQ(after_exec, "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n");
    return true;
  }));
}

TEST(Privileges, DropToRefusesUid0) {
  EXPECT_TRUE(InChild([] {
    const absl::Status status = DropTo(Account{0, 64062});
    EXPECT_TRUE(absl::IsInvalidArgument(status));
    EXPECT_THAT(MessageOf(status), HasSubstr("--user"));
    return true;
  }));
}

TEST(Privileges, DropToRefusesAProcessWithThreads) {
  EXPECT_TRUE(InChild([] {
    int pipe_fds[2];
    EXPECT_EQ(pipe(pipe_fds), 0);
    std::thread other([&] {
      char byte;
      EXPECT_EQ(read(pipe_fds[0], &byte, 1), 1);
    });
    EXPECT_TRUE(absl::IsFailedPrecondition(DropTo(kOtherGroup)));
    EXPECT_EQ(getuid(), 0U);
    EXPECT_EQ(write(pipe_fds[1], "x", 1), 1);
    other.join();
    return true;
  }));
}

TEST(Privileges, KeepOnlyNetAdminKeepsUid0) {
  EXPECT_TRUE(InChild([] {
    EXPECT_EQ(KeepOnlyNetAdmin(), absl::OkStatus());
    EXPECT_EQ(StatusField("Uid"), "0\t0\t0\t0");
    ExpectNetAdminOnly();
    // uid 0 gets nothing back by running a program.
    EXPECT_EQ(Must("grep CapPrm /proc/self/status"), "CapPrm:\t0000000000000000\n");
    return true;
  }));
}

TEST(Privileges, StartedAsTheAccountWithNetAdminOnlyIsEnough) {
  EXPECT_TRUE(InChild([] {
    // What a container with a numeric user and NET_ADMIN gives: no SETUID, SETGID or SETPCAP.
    EXPECT_EQ(DropTo(kOtherGroup), absl::OkStatus());
    EXPECT_EQ(DropTo(kOtherGroup), absl::OkStatus());
    EXPECT_EQ(KeepOnlyNetAdmin(), absl::OkStatus());
    ExpectNetAdminOnly();
    const absl::Status other = DropTo(Account{64063, 64063});
    EXPECT_THAT(MessageOf(other), HasSubstr("CAP_SETUID"));
    return true;
  }));
}

void SetCapabilities(std::uint32_t permitted, std::uint32_t effective) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[2] = {};
  sets[0].permitted = permitted;
  sets[0].effective = effective;
  EXPECT_EQ(syscall(SYS_capset, &header, sets), 0);
}

TEST(Privileges, TakeNetAdminMakesEffectiveWhatAFileOnlyPermits) {
  EXPECT_TRUE(InChild([] {
    SetCapabilities(1U << CAP_NET_ADMIN, 0);
    EXPECT_FALSE(*HasNetAdmin());
    EXPECT_EQ(TakeNetAdmin(), absl::OkStatus());
    EXPECT_TRUE(*HasNetAdmin());
    EXPECT_EQ(TakeNetAdmin(), absl::OkStatus());
    return true;
  }));
}

TEST(Privileges, TakeNetAdminSaysWhatKeptItAway) {
  EXPECT_TRUE(InChild([] {
    const auto error = [] {
      const absl::Status status = TakeNetAdmin();
      EXPECT_TRUE(absl::IsFailedPrecondition(status));
      return MessageOf(status);
    };
    SetCapabilities(1U << CAP_SETPCAP, 1U << CAP_SETPCAP);
    EXPECT_THAT(error(), HasSubstr("was not given it"));
    EXPECT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    EXPECT_THAT(error(), HasSubstr("without no-new-privileges"));
    EXPECT_EQ(prctl(PR_CAPBSET_DROP, CAP_NET_ADMIN, 0, 0, 0), 0);
    EXPECT_THAT(error(), HasSubstr("--cap-add NET_ADMIN"));
    return true;
  }));
}

TEST(Privileges, WithoutNetAdminTheErrorSaysHowToGiveIt) {
  EXPECT_TRUE(InChild([] {
    SetCapabilities(0, 0);
    EXPECT_FALSE(*HasAnyCapability());
    EXPECT_FALSE(*HasNetAdmin());
    EXPECT_THAT(MessageOf(KeepOnlyNetAdmin()), HasSubstr("CAP_NET_ADMIN"));
    return true;
  }));
}

}  // namespace
}  // namespace adit::host
