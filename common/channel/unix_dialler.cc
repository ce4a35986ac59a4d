#include "common/channel/unix_dialler.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <grpcpp/create_channel_posix.h>

#include "common/channel/unix_socket.h"
#include "common/status.h"

namespace adit::channel {
namespace {

absl::Status ConnectError(int error_number, const std::string& path) {
  const std::string what = fmt::format("connect to {}", path);
  switch (error_number) {
    case ENOENT:
      return Unavailable(what +
                         ": there is no such socket: is adit-controlplane running, with "
                         "this path?");
    case ECONNREFUSED:
      return Unavailable(what + ": nobody listens: is adit-controlplane running?");
    case EAGAIN:
      return Unavailable(what +
                         ": too many connections wait there already: is adit-controlplane "
                         "stopped?");
    case EACCES:
    case EPERM:
      return PermissionDenied(what +
                              ": no permission: run with the group that owns the socket's "
                              "directory");
    default:
      return ErrnoStatus(error_number, what);
  }
}

}  // namespace

absl::StatusOr<UniqueFd> ConnectUnix(std::string_view address, std::span<const uid_t> servers) {
  ASSIGN_OR_RETURN(const std::string path, UnixPathOf(address));
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) {
    return ErrnoStatus(errno, "make a unix socket");
  }
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, path.data(), path.size());
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
    return ConnectError(errno, path);
  }
  ASSIGN_OR_RETURN(const PeerCredentials peer, PeerCredentialsOf(fd.get()));
  if (!IsAllowed(peer.uid, servers)) {
    return PermissionDenied(fmt::format(
        "connect to {}: the process that listens there runs as uid {}, expected {}: stop it, or "
        "name its uid",
        path, peer.uid, servers.empty() ? "none" : fmt::format("{}", fmt::join(servers, " or "))));
  }
  return fd;
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> DialUnix(std::string_view address,
                                                        std::span<const uid_t> servers,
                                                        const grpc::ChannelArguments& arguments) {
  ASSIGN_OR_RETURN(UniqueFd fd, ConnectUnix(address, servers));
  // The name is only the authority of requests: it must not hold a path.
  return grpc::CreateCustomInsecureChannelFromFd("localhost", fd.Release(), arguments);
}

}  // namespace adit::channel
