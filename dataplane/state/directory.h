#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/unique_fd.h"

namespace adit::state {

// The directory of the state files: mode 0700, owned by the process's effective uid, held by one
// process at a time (a lock on its file `lock`, released by the kernel when the process ends).
// Every file in it is made with mode 0600; no name in it is ever followed as a symbolic link.
//
// Errors name the path, the reason and what to do about it.
// Thread: any; the object is immutable after Open.
class StateDirectory {
 public:
  // For a process that is about to change its uid: makes the directory and its missing parents,
  // owned by uid:gid. An empty directory of the caller's is handed over; any other is left alone
  // (Open judges it).
  static absl::Status Prepare(const std::string& path, uid_t uid, gid_t gid);

  // Makes the directory when it is missing. FAILED_PRECONDITION: another process holds it, or
  // owner or mode are wrong.
  static absl::StatusOr<StateDirectory> Open(const std::string& path);

  [[nodiscard]] const std::string& path() const { return path_; }

  // NOT_FOUND when there is none. FAILED_PRECONDITION when it is not a regular file of ours.
  [[nodiscard]] absl::StatusOr<UniqueFd> OpenExisting(std::string_view name, int flags) const;
  // Replaces an older file of that name. The name is durable only after Sync.
  [[nodiscard]] absl::StatusOr<UniqueFd> Create(std::string_view name, int flags) const;
  // At most `max_size` bytes.
  [[nodiscard]] absl::StatusOr<std::string> Read(std::string_view name, std::size_t max_size) const;
  // Either the old content or the new, whatever happens: a temporary file, fsync, rename, fsync of
  // the directory. `write` fills the temporary file. On error the old content stays.
  [[nodiscard]] absl::Status WriteAtomically(
      std::string_view name, const std::function<absl::Status(int fd)>& write) const;
  [[nodiscard]] absl::Status WriteAtomically(std::string_view name, std::string_view content) const;
  // Renames a damaged file to DamagedName(name), so that it is not overwritten but by the next
  // damaged one of that name. Absent is fine.
  [[nodiscard]] absl::Status SetAside(std::string_view name) const;
  // Absent is fine.
  [[nodiscard]] absl::Status Remove(std::string_view name) const;
  [[nodiscard]] absl::Status Sync() const;
  [[nodiscard]] absl::StatusOr<std::vector<std::string>> List() const;

  // "operation path: reason", with what to do for a full or read-only disk and for permissions.
  [[nodiscard]] absl::Status Error(int error_number, std::string_view operation,
                                   std::string_view name) const;

 private:
  StateDirectory(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  [[nodiscard]] absl::Status Lock();

  std::string path_;
  UniqueFd fd_;
  UniqueFd lock_;
};

[[nodiscard]] std::string DamagedName(std::string_view name);

// All of `bytes`, at the descriptor's position; 0 or an errno.
[[nodiscard]] int WriteAll(int fd, std::string_view bytes);

}  // namespace adit::state
