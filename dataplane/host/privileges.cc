#include "dataplane/host/privileges.h"

#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <iterator>
#include <string>
#include <system_error>

#include <fmt/format.h>

#include "common/process.h"
#include "common/status.h"

namespace adit::host {
namespace {

constexpr std::uint32_t kNetAdminBit = 1U << CAP_NET_ADMIN;
// Version 3 holds 64 capabilities in two halves.
using CapabilitySets = std::array<__user_cap_data_struct, 2>;

absl::Status SetCapabilities(const CapabilitySets& sets) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  return syscall(SYS_capset, &header, sets.data()) == 0
             ? absl::OkStatus()
             : ErrnoStatus(errno, "set own capabilities");
}

// Why this process was not given CAP_NET_ADMIN, and what gives it.
std::string ReasonItLacksNetAdmin() {
  if (prctl(PR_CAPBSET_READ, CAP_NET_ADMIN, 0, 0, 0) == 0) {
    return "the bounding set lacks it (container: --cap-add NET_ADMIN; systemd: "
           "CapabilityBoundingSet= and AmbientCapabilities=CAP_NET_ADMIN)";
  }
  if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1) {
    return fmt::format(
        "it is allowed, but no_new_privs keeps uid {} from getting it with the program's file: "
        "start it without no-new-privileges, which the data plane sets itself, or with the "
        "capability as an ambient one (systemd: AmbientCapabilities=CAP_NET_ADMIN)",
        geteuid());
  }
  return fmt::format(
      "it is allowed, but uid {} was not given it: start it as root, with the capability as an "
      "ambient one (systemd: AmbientCapabilities=CAP_NET_ADMIN), or from a file that has it "
      "(setcap cap_net_admin=p), not mounted nosuid",
      geteuid());
}

// Capabilities belong to threads: one that runs already would keep its own.
absl::Status RequireSingleThread() {
  std::error_code error;
  const std::filesystem::directory_iterator tasks("/proc/self/task", error);
  if (!error && std::distance(begin(tasks), end(tasks)) != 1) {
    return FailedPrecondition("privileges must be dropped before any thread starts");
  }
  return absl::OkStatus();
}

// Without CAP_SETPCAP (a container that gives NET_ADMIN only) it stays: no_new_privs makes it
// meaningless then.
absl::Status ClearBoundingSet() {
  for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0;
       ++capability) {
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EPERM) {
      return ErrnoStatus(errno,
                         fmt::format("drop capability {} from the bounding set", capability));
    }
  }
  return absl::OkStatus();
}

absl::Status KeepNetAdminOnly() {
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) {
    return ErrnoStatus(errno, "clear ambient capabilities");
  }
  CapabilitySets sets{};
  sets[0].permitted = kNetAdminBit;
  sets[0].effective = kNetAdminBit;
  const absl::Status status = SetCapabilities(sets);
  return absl::IsPermissionDenied(status)
             ? FailedPrecondition(
                   "the data plane needs CAP_NET_ADMIN: start it as root, or give it the "
                   "capability (container: --cap-add NET_ADMIN; systemd: "
                   "AmbientCapabilities=CAP_NET_ADMIN)")
             : status;
}

absl::Status ChangeIds(const Account& account) {
  const auto failed = [&](std::string_view what) {
    return ErrnoStatus(
        errno, fmt::format("{} {} (changing user needs uid 0 with CAP_SETUID and CAP_SETGID; or "
                           "start as that user with CAP_NET_ADMIN)",
                           what, what == "become uid" ? account.uid : account.gid));
  };
  if (setgroups(0, nullptr) != 0) {
    return failed("leave supplementary groups for gid");
  }
  if (setresgid(account.gid, account.gid, account.gid) != 0) {
    return failed("become gid");
  }
  if (setresuid(account.uid, account.uid, account.uid) != 0) {
    return failed("become uid");
  }
  return absl::OkStatus();
}

absl::Status ProveNoWayBack(const Account& account) {
  uid_t real = 0;
  uid_t effective = 0;
  uid_t saved = 0;
  if (getresuid(&real, &effective, &saved) != 0 || real != account.uid ||
      effective != account.uid || saved != account.uid) {
    return Internal(fmt::format("the process did not become uid {}", account.uid));
  }
  if (setresuid(0, 0, 0) == 0 || setuid(0) == 0 || seteuid(0) == 0) {
    return Internal("uid 0 could be taken back after it was given up");
  }
  if (account.gid != 0 && (setresgid(0, 0, 0) == 0 || setgid(0) == 0)) {
    return Internal("gid 0 could be taken back after it was given up");
  }
  return absl::OkStatus();
}

bool IsAlready(const Account& account) {
  return getuid() == account.uid && geteuid() == account.uid && getgid() == account.gid &&
         getegid() == account.gid;
}

}  // namespace

absl::Status TakeNetAdmin() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  CapabilitySets sets{};
  if (syscall(SYS_capget, &header, sets.data()) != 0) {
    return ErrnoStatus(errno, "read own capabilities");
  }
  if ((sets[0].permitted & kNetAdminBit) == 0) {
    return FailedPrecondition("the data plane needs CAP_NET_ADMIN: " + ReasonItLacksNetAdmin());
  }
  sets[0].effective |= kNetAdminBit;
  return SetCapabilities(sets);
}

absl::Status DropTo(const Account& account) {
  if (account.uid == 0) {
    return InvalidArgument("the data plane must not end as uid 0: give --user another account");
  }
  RETURN_IF_ERROR(RequireSingleThread());
  RETURN_IF_ERROR(ClearBoundingSet());
  if (!IsAlready(account)) {
    // Without this the kernel empties permitted when the last uid 0 goes.
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) {
      return ErrnoStatus(errno, "keep capabilities over the change of uid");
    }
    RETURN_IF_ERROR(ChangeIds(account));
    if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0) {
      return ErrnoStatus(errno, "end keeping capabilities");
    }
  }
  RETURN_IF_ERROR(KeepNetAdminOnly());
  RETURN_IF_ERROR(HardenProcess());
  return ProveNoWayBack(account);
}

absl::Status KeepOnlyNetAdmin() {
  RETURN_IF_ERROR(RequireSingleThread());
  RETURN_IF_ERROR(ClearBoundingSet());
  RETURN_IF_ERROR(KeepNetAdminOnly());
  return HardenProcess();
}

}  // namespace adit::host
