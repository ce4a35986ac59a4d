#pragma once

#include <absl/status/status.h>

namespace adit::app {

// The control plane never has privileges: FAILED_PRECONDITION, with the remedy, when it runs as
// uid 0 (unless that is allowed) or holds any capability. Then gives up the ways to get some
// (no_new_privs) and closes its memory to others. Call it before any thread.
[[nodiscard]] absl::Status RefusePrivileges(bool is_root_allowed);

}  // namespace adit::app
