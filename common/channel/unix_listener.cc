#include "common/channel/unix_listener.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <grpcpp/server_posix.h>

#include "common/log.h"
#include "common/status.h"

namespace adit::channel {
namespace {

constexpr mode_t kDirectoryMode = 0750;
// Everything that makes a directory unfit; a set-group-id bit is harmless.
constexpr mode_t kUnwantedDirectoryModes = 05027;
constexpr mode_t kSocketMode = 0660;
constexpr int kBacklog = 64;
// After an accept that failed for want of a resource.
constexpr int kAcceptPauseMs = 100;

std::string DirectoryOf(const std::string& path) {
  return path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
}

absl::StatusOr<UniqueFd> OpenDirectory(const std::string& directory) {
  if (mkdir(directory.c_str(), kDirectoryMode) != 0 && errno != EEXIST) {
    const int error = errno;
    return Annotate(ErrnoStatus(error, fmt::format("make {}", directory)),
                    fmt::format("a socket needs a directory: make {} with mode 0750, owned by the "
                                "control plane's user",
                                directory));
  }
  UniqueFd fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.is_open()) {
    return ErrnoStatus(errno, fmt::format("open the directory {}", directory));
  }
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) {
    return ErrnoStatus(errno, fmt::format("look at {}", directory));
  }
  if (status.st_uid != geteuid() && status.st_uid != 0) {
    return FailedPrecondition(
        fmt::format("{} belongs to uid {}, whose owner could replace the "
                    "socket: chown it to uid {}",
                    directory, status.st_uid, geteuid()));
  }
  if ((status.st_mode & kUnwantedDirectoryModes) != 0) {
    return FailedPrecondition(
        fmt::format("{} has mode {:04o}, so that others could reach or replace the socket: "
                    "chmod 0750 {}",
                    directory, status.st_mode & 07777, directory));
  }
  return fd;
}

sockaddr_un NameOf(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, path.data(), path.size());
  return name;
}

// Removes the socket of a process that is gone.
absl::Status RemoveStale(const std::string& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) {
    return errno == ENOENT ? absl::OkStatus() : ErrnoStatus(errno, fmt::format("look at {}", path));
  }
  if (!S_ISSOCK(status.st_mode)) {
    return FailedPrecondition(
        fmt::format("{} is there and is no socket: move it away or choose another path", path));
  }
  const UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const sockaddr_un name = NameOf(path);
  if (!probe.is_open()) {
    return ErrnoStatus(errno, "make a unix socket");
  }
  const int result =
      connect(probe.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0 ? 0 : errno;
  if (result != ECONNREFUSED && result != ENOENT) {
    return AlreadyExists(
        fmt::format("another process serves {}: stop it, or choose another path", path));
  }
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return ErrnoStatus(errno, fmt::format("remove the stale socket {}", path));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<UnixListener>> UnixListener::Open(std::string_view address,
                                                                 std::vector<uid_t> allowed) {
  ASSIGN_OR_RETURN(std::string path, UnixPathOf(address));
  std::unique_ptr<UnixListener> listener(new UnixListener(std::move(path), std::move(allowed)));
  RETURN_IF_ERROR(listener->Listen());
  return listener;
}

absl::Status UnixListener::Listen() {
  ASSIGN_OR_RETURN(const UniqueFd directory, OpenDirectory(DirectoryOf(path_)));
  // Held until we listen: two processes starting together must not replace each other's socket,
  // and one that is bound but does not listen yet looks stale.
  if (flock(directory.get(), LOCK_EX) != 0) {
    return ErrnoStatus(errno, fmt::format("lock {}", DirectoryOf(path_)));
  }
  RETURN_IF_ERROR(RemoveStale(path_));
  socket_.Reset(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  stop_.Reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!socket_.is_open() || !stop_.is_open()) {
    return ErrnoStatus(errno, "make a unix socket");
  }
  const sockaddr_un name = NameOf(path_);
  if (bind(socket_.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
    const int error = errno;
    return Annotate(
        ErrnoStatus(error, fmt::format("bind {}", path_)),
        fmt::format("uid {} must be able to write to {}", geteuid(), DirectoryOf(path_)));
  }
  is_named_ = true;
  struct stat status {};
  if (chmod(path_.c_str(), kSocketMode) != 0 || lstat(path_.c_str(), &status) != 0) {
    return ErrnoStatus(errno, fmt::format("set the mode of {}", path_));
  }
  device_ = status.st_dev;
  inode_ = status.st_ino;
  if (listen(socket_.get(), kBacklog) != 0) {
    return ErrnoStatus(errno, fmt::format("listen on {}", path_));
  }
  return absl::OkStatus();
}

UnixListener::~UnixListener() {
  if (thread_.joinable()) {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(stop_.get(), &one, sizeof one);
    thread_.join();
  }
  struct stat status {};
  const bool is_still_ours = is_named_ && lstat(path_.c_str(), &status) == 0 &&
                             status.st_dev == device_ && status.st_ino == inode_;
  if (is_still_ours) {
    unlink(path_.c_str());
  }
}

void UnixListener::Start(Handler handler) {
  thread_ = std::thread([this, handler = std::move(handler)] { AcceptLoop(handler); });
}

void UnixListener::ServeWith(grpc::Server& server) {
  Start([&server](UniqueFd connection, const PeerCredentials&) {
    grpc::AddInsecureChannelFromFd(&server, connection.Release());
  });
}

void UnixListener::AcceptLoop(const Handler& handler) {
  pollfd fds[2] = {{stop_.get(), POLLIN, 0}, {socket_.get(), POLLIN, 0}};
  while (true) {
    if (poll(fds, 2, -1) < 0) {
      continue;  // EINTR
    }
    if (fds[0].revents != 0) {
      return;
    }
    if (fds[1].revents != 0) {
      AcceptOne(handler);
    }
  }
}

void UnixListener::AcceptOne(const Handler& handler) {
  UniqueFd connection(accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!connection.is_open()) {
    const int error = errno;
    const bool has_no_descriptor = error == EMFILE || error == ENFILE;
    const bool is_out_of_resources = has_no_descriptor || error == ENOMEM || error == ENOBUFS;
    if (is_out_of_resources && !std::exchange(is_refusing_, true)) {
      LOG_ERROR("{}: accept: {}: connections are refused; raise the limit of open files", path_,
                std::strerror(error));
    }
    const bool was_refused = has_no_descriptor && spare_.RefuseOne(socket_.get());
    if (is_out_of_resources && !was_refused) {
      pollfd stop{stop_.get(), POLLIN, 0};
      poll(&stop, 1, kAcceptPauseMs);
    }
    return;
  }
  is_refusing_ = false;
  const absl::StatusOr<PeerCredentials> peer = PeerCredentialsOf(connection.get());
  if (!peer.ok()) {
    LOG_ERROR("{}: {}", path_, MessageOf(peer.status()));
    return;
  }
  if (!IsAllowed(peer->uid, allowed_)) {
    LOG_INFO("{}: refused a connection of uid {} (pid {}): allowed are {}", path_, peer->uid,
             peer->pid, fmt::join(allowed_, ", "));
    return;
  }
  handler(std::move(connection), *peer);
}

}  // namespace adit::channel
