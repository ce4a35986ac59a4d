#pragma once

#include <absl/status/status.h>

#include "common/account.h"

// The end of privileges: once, before any thread starts, after everything that needs more than
// CAP_NET_ADMIN has been opened. Both end with HardenProcess done, and with CAP_NET_ADMIN the only
// capability in permitted and effective, none in inheritable, ambient and (where the process may
// change it) the bounding set. An error leaves the process somewhere between: it must exit.
namespace adit::host {

// Becomes `account`, for good: all uids and gids, no supplementary groups; then tries to come back
// and fails if it can. INVALID_ARGUMENT for uid 0, FAILED_PRECONDITION when other threads run.
// Started as that account already (a container, a unit with User=) it keeps uid and gid and only
// drops capabilities.
[[nodiscard]] absl::Status DropTo(const Account& account);

// Keeps the uid and gids. For adit-wireguard (uid 0 owns its socket's directory), and for `run`
// started without uid 0. FAILED_PRECONDITION when CAP_NET_ADMIN is not there to be kept.
[[nodiscard]] absl::Status KeepOnlyNetAdmin();

}  // namespace adit::host
