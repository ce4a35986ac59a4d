#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

// What both ends of a unix socket share: how its address is written and who is at the other end.
//
// Who may talk is decided by SO_PEERCRED, which the kernel records when a process connects or
// listens: both drop their uid before. Modes (directory 0750, socket 0660) only keep others from
// trying.
namespace adit::channel {

// Of the process at the other end, at the moment it connected or began to listen.
struct PeerCredentials {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};

// The path of "unix:/absolute/path". INVALID_ARGUMENT names the address and what was expected;
// longer paths than sockaddr_un holds (107 bytes) are refused too.
[[nodiscard]] absl::StatusOr<std::string> UnixPathOf(std::string_view address);

// fd: a connected unix socket.
[[nodiscard]] absl::StatusOr<PeerCredentials> PeerCredentialsOf(int fd);

// An empty list allows nobody.
[[nodiscard]] bool IsAllowed(uid_t uid, std::span<const uid_t> allowed);

// Who can have made a socket at that address when nobody else may write to its directory: root and
// the directory's owner. For clients that are not told whose the server is. FAILED_PRECONDITION
// when others may write there; NOT_FOUND when there is no such directory.
[[nodiscard]] absl::StatusOr<std::vector<uid_t>> PossibleServersOf(std::string_view address);

}  // namespace adit::channel
