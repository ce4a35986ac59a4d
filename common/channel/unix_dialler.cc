#include "common/channel/unix_dialler.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

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

absl::Status AwaitWelcome(const UniqueFd& connection, std::string_view address, Duration patience) {
  pollfd readable{connection.get(), POLLIN, 0};
  char first = 0;
  if (poll(&readable, 1, static_cast<int>(patience / milliseconds(1))) <= 0) {
    return absl::OkStatus();
  }
  const ssize_t got = recv(connection.get(), &first, 1, MSG_PEEK | MSG_DONTWAIT);
  const bool has_hung_up = got == 0 || (got < 0 && errno == ECONNRESET);
  return has_hung_up
             ? PermissionDenied(fmt::format(
                   "connect to {}: the server hung up at once: it does not accept uid {}, or "
                   "has no file descriptor left",
                   address, geteuid()))
             : absl::OkStatus();
}

std::shared_ptr<grpc::Channel> ChannelOver(UniqueFd connection,
                                           const grpc::ChannelArguments& arguments) {
  // The name is only the authority of requests: it must not hold a path.
  return grpc::CreateCustomInsecureChannelFromFd("localhost", connection.Release(), arguments);
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> DialUnix(std::string_view address,
                                                        std::span<const uid_t> servers,
                                                        const grpc::ChannelArguments& arguments) {
  ASSIGN_OR_RETURN(UniqueFd fd, ConnectUnix(address, servers));
  return ChannelOver(std::move(fd), arguments);
}

}  // namespace adit::channel
