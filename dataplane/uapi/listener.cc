#include "dataplane/uapi/listener.h"

#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

namespace adit::uapi {
namespace {

constexpr int kBacklog = 16;

absl::Status PrepareDirectory(const std::string& directory) {
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, fmt::format("make the directory {} (root may)", directory));
  }
  struct stat status {};
  if (lstat(directory.c_str(), &status) != 0) {
    return ErrnoStatus(errno, fmt::format("look at {}", directory));
  }
  const bool is_ours = status.st_uid == geteuid() || status.st_uid == 0;
  if (!S_ISDIR(status.st_mode) || !is_ours || (status.st_mode & 0022) != 0) {
    return FailedPrecondition(fmt::format(
        "{} must be a directory of root's that nobody else can write to: chown root, chmod 0700",
        directory));
  }
  return absl::OkStatus();
}

// A name that leads to a socket nobody listens on is a dead process's.
absl::Status RemoveDeadSocket(const std::string& path, const sockaddr_un& address) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) {
    return errno == ENOENT ? absl::OkStatus() : ErrnoStatus(errno, fmt::format("look at {}", path));
  }
  if (!S_ISSOCK(status.st_mode)) {
    return FailedPrecondition(fmt::format("{} exists and is no socket: remove it", path));
  }
  const UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe.is_open()) {
    return ErrnoStatus(errno, "make a socket");
  }
  const int result =
      connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  if (result == 0 || errno == EAGAIN) {
    return AlreadyExists(fmt::format(
        "{} answers: a device of this name is running; end it or choose another name", path));
  }
  if (errno != ECONNREFUSED) {
    return ErrnoStatus(errno, fmt::format("connect to {}", path));
  }
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return ErrnoStatus(errno, fmt::format("remove the dead socket {}", path));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> Listener::Open(const std::string& interface,
                                                         const std::string& directory) {
  RETURN_IF_ERROR(PrepareDirectory(directory));
  std::unique_ptr<Listener> listener(new Listener());
  const std::string path = fmt::format("{}/{}.sock", directory, interface);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return InvalidArgument(fmt::format("{} is too long for a socket's name", path));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  RETURN_IF_ERROR(RemoveDeadSocket(path, address));

  listener->socket_.Reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener->socket_.is_open()) {
    return ErrnoStatus(errno, "make a socket");
  }
  const mode_t umask_before = umask(0177);
  const int bound =
      bind(listener->socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int bind_error = errno;
  umask(umask_before);
  if (bound != 0) {
    return ErrnoStatus(bind_error, fmt::format("bind {}", path));
  }
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) {
    return ErrnoStatus(errno, fmt::format("look at {}", path));
  }
  listener->path_ = path;
  listener->device_ = status.st_dev;
  listener->inode_ = status.st_ino;
  if (listen(listener->socket_.get(), kBacklog) != 0) {
    return ErrnoStatus(errno, fmt::format("listen on {}", path));
  }
  listener->events_.Reset(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!listener->events_.is_open() || inotify_add_watch(listener->events_.get(), directory.c_str(),
                                                        IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
                                                            IN_DELETE_SELF | IN_MOVE_SELF) < 0) {
    return ErrnoStatus(errno, fmt::format("watch {}", directory));
  }
  return listener;
}

Listener::~Listener() {
  if (!path_.empty() && IsInPlace()) {
    (void)unlink(path_.c_str());
  }
}

void Listener::DrainEvents() {
  alignas(inotify_event) char buffer[4096];
  while (read(events_.get(), buffer, sizeof(buffer)) > 0) {
  }
}

bool Listener::IsInPlace() const {
  struct stat status {};
  return lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_;
}

}  // namespace adit::uapi
