#include "common/process.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "common/status.h"

namespace adit {
namespace {

// Version 3 holds 64 capabilities in two halves.
using CapabilitySets = std::array<__user_cap_data_struct, 2>;

absl::StatusOr<CapabilitySets> OwnCapabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  CapabilitySets sets{};
  if (syscall(SYS_capget, &header, sets.data()) != 0) {
    return ErrnoStatus(errno, "read own capabilities");
  }
  return sets;
}

}  // namespace

absl::Status MakeNotDumpable() {
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return ErrnoStatus(errno, "make the process not dumpable");
  }
  return absl::OkStatus();
}

absl::Status HardenProcess() {
  RETURN_IF_ERROR(MakeNotDumpable());
  constexpr rlimit kNone{0, 0};
  if (setrlimit(RLIMIT_CORE, &kNone) != 0) {
    return ErrnoStatus(errno, "set the core limit to 0");
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return ErrnoStatus(errno, "set no_new_privs");
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> HasAnyCapability() {
  ASSIGN_OR_RETURN(const CapabilitySets sets, OwnCapabilities());
  // Effective and ambient are never more than these.
  return (sets[0].permitted | sets[1].permitted | sets[0].inheritable | sets[1].inheritable) != 0;
}

absl::StatusOr<bool> HasNetAdmin() {
  ASSIGN_OR_RETURN(const CapabilitySets sets, OwnCapabilities());
  return (sets[0].effective & (1U << CAP_NET_ADMIN)) != 0;
}

void RaiseMemlockLimit() {
  constexpr rlimit kUnlimited{RLIM_INFINITY, RLIM_INFINITY};
  if (setrlimit(RLIMIT_MEMLOCK, &kUnlimited) == 0) {
    return;
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_MEMLOCK, &limit);
  }
}

}  // namespace adit
