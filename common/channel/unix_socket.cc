#include "common/channel/unix_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "common/status.h"

namespace adit::channel {

absl::StatusOr<std::string> UnixPathOf(std::string_view address) {
  constexpr std::string_view kScheme = "unix:";
  constexpr std::size_t kMaxPath = sizeof(sockaddr_un::sun_path) - 1;
  if (!address.starts_with(kScheme) || !address.substr(kScheme.size()).starts_with('/') ||
      address.ends_with('/') || address.find('\0') != std::string_view::npos) {
    return InvalidArgument(fmt::format(
        "\"{}\" is not the address of a unix socket: expected unix:/absolute/path", address));
  }
  const std::string_view path = address.substr(kScheme.size());
  if (path.size() > kMaxPath) {
    return InvalidArgument(fmt::format("the path of {} has {} bytes: at most {} are possible",
                                       address, path.size(), kMaxPath));
  }
  return std::string(path);
}

absl::StatusOr<PeerCredentials> PeerCredentialsOf(int fd) {
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
    return ErrnoStatus(errno, "read the peer's credentials of a unix socket");
  }
  return PeerCredentials{credentials.pid, credentials.uid, credentials.gid};
}

bool IsAllowed(uid_t uid, std::span<const uid_t> allowed) {
  return std::find(allowed.begin(), allowed.end(), uid) != allowed.end();
}

absl::StatusOr<std::vector<uid_t>> PossibleServersOf(std::string_view address) {
  ASSIGN_OR_RETURN(const std::string path, UnixPathOf(address));
  const std::string directory = path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
  struct stat status {};
  if (stat(directory.c_str(), &status) != 0) {
    return Annotate(ErrnoStatus(errno, fmt::format("look at {}", directory)),
                    "is adit-controlplane running? its socket's directory is not there");
  }
  if ((status.st_mode & S_IWOTH) != 0) {
    return FailedPrecondition(
        fmt::format("everybody may write to {}, so its sockets may be anybody's: chmod 0750 {}",
                    directory, directory));
  }
  return std::vector<uid_t>{0, status.st_uid};
}

}  // namespace adit::channel
