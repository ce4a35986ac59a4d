#include "controlplane/app/privileges.h"

#include <unistd.h>

#include "common/process.h"
#include "common/status.h"

namespace adit::app {

absl::Status RefusePrivileges(bool is_root_allowed) {
  const bool is_root = getuid() == 0 || geteuid() == 0;
  if (is_root && !is_root_allowed) {
    return FailedPrecondition(
        "the control plane does not run as uid 0: start it as a user of its own (setpriv --reuid, "
        "User= of systemd); --allow-root where a container maps uid 0 to such a user");
  }
  ASSIGN_OR_RETURN(const bool has_capabilities, HasAnyCapability());
  if (has_capabilities) {
    return FailedPrecondition(
        "the control plane does not run with capabilities: start it without any (setpriv "
        "--inh-caps -all --ambient-caps -all, AmbientCapabilities= of systemd, drop ALL of a "
        "container)");
  }
  return HardenProcess();
}

}  // namespace adit::app
