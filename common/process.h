#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

// What a process that holds secrets does to itself. Both programs use it; dropping to another uid
// is dataplane/host's.
namespace adit {

// No other process of the same uid may read this one's memory (ptrace, /proc/PID/mem, environ), and
// no core is ever written. The kernel undoes this when a uid or gid changes: call it after that.
[[nodiscard]] absl::Status MakeNotDumpable();

// MakeNotDumpable, a core limit of 0 (hard and soft) and no_new_privs. Idempotent; holds for
// threads started later, so call it before any thread.
[[nodiscard]] absl::Status HardenProcess();

// Whether the calling thread holds a capability in any of its permitted, effective, inheritable or
// ambient sets.
[[nodiscard]] absl::StatusOr<bool> HasAnyCapability();

// Whether CAP_NET_ADMIN is effective.
[[nodiscard]] absl::StatusOr<bool> HasNetAdmin();

// Raises the soft RLIMIT_MEMLOCK to the hard one, and both to unlimited where the process may
// (uid 0, CAP_SYS_RESOURCE). Never fails: who locks memory checks what it got.
void RaiseMemlockLimit();

}  // namespace adit
