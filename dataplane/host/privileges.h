#pragma once

#include <absl/status/status.h>

#include "common/account.h"

// The end of privileges: once, before any thread starts, after everything that needs more than
// CAP_NET_ADMIN has been opened. Both end with HardenProcess done, and with CAP_NET_ADMIN the only
// capability in permitted and effective, none in inheritable, ambient and (where the process may
// change it) the bounding set. An error leaves the process somewhere between: it must exit.
namespace adit::host {

// Before anything is opened: makes CAP_NET_ADMIN effective where it is permitted only, which is how
// the image's file gives it (cap_net_admin=p: with the effective bit the kernel would refuse to
// start the program without it, and nobody could say what is missing). FAILED_PRECONDITION says
// what kept it away: the bounding set, no_new_privs, or whoever started the program.
[[nodiscard]] absl::Status TakeNetAdmin();

// Becomes `account`, for good: all uids and gids, no supplementary groups; then tries to come back
// and fails if it can. INVALID_ARGUMENT for uid 0, FAILED_PRECONDITION when other threads run.
// Started as that account already (a container, a unit with User=) it keeps uid and gid and only
// drops capabilities.
[[nodiscard]] absl::Status DropTo(const Account& account);

// Keeps the uid and gids. For adit-wireguard (uid 0 owns its socket's directory), and for `run`
// started without uid 0. FAILED_PRECONDITION when CAP_NET_ADMIN is not there to be kept.
[[nodiscard]] absl::Status KeepOnlyNetAdmin();

}  // namespace adit::host
