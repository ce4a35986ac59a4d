#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "common/status.h"
#include "common/unique_fd.h"

namespace adit::uapi {

inline constexpr const char* kSocketDirectory = "/var/run/wireguard";

// The socket DIRECTORY/INTERFACE.sock where `wg` looks for a userspace device: listening, mode
// 0600, in a directory of mode 0700 that is made when it is not there. Removes it when destroyed,
// if it is still the one it made.
//
// A socket left by a process that died is replaced; one that answers is an error.
class Listener {
 public:
  // Sets the process's umask for a moment: call before threads are made. Errors: a live device
  // (ALREADY_EXISTS), a directory that others can write to, no permission.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Listener>> Open(
      const std::string& interface, const std::string& directory = kSocketDirectory);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  [[nodiscard]] int fd() const { return socket_.get(); }
  // Readable when something in the directory was removed or replaced (inotify): then DrainEvents
  // and ask IsInPlace.
  [[nodiscard]] int events_fd() const { return events_.get(); }
  void DrainEvents();
  // The name still leads to this socket.
  [[nodiscard]] bool IsInPlace() const;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  Listener() = default;

  std::string path_;
  UniqueFd socket_;
  UniqueFd events_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace adit::uapi
