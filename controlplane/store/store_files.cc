#include "controlplane/store/store_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include <fmt/format.h>

#include "common/status.h"
#include "common/unique_fd.h"

namespace adit::store {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr mode_t kDirectoryMode = 0700;

absl::Status PathError(int error_number, std::string_view operation, const std::string& path) {
  std::string_view remedy;
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
      remedy = " (free space on that file system)";
      break;
    case EROFS:
      remedy = " (the file system is read-only: mount it writable or choose another --store)";
      break;
    case EACCES:
    case EPERM:
      remedy = " (the directory must belong to the control plane's user)";
      break;
    case ELOOP:
      remedy = " (it is a symbolic link: name the file itself)";
      break;
    default:
      break;
  }
  const absl::Status plain = ErrnoStatus(error_number, fmt::format("{} {}", operation, path));
  absl::Status status(plain.code(), MessageOf(plain) + std::string(remedy));
  plain.ForEachPayload(
      [&](absl::string_view url, const absl::Cord& payload) { status.SetPayload(url, payload); });
  return status;
}

absl::Status MakeDirectories(const std::filesystem::path& directory) {
  std::filesystem::path made;
  for (const std::filesystem::path& part : directory) {
    made /= part;
    if (mkdir(made.c_str(), kDirectoryMode) != 0 && errno != EEXIST) {
      return PathError(errno, "make directory", made.string());
    }
  }
  return absl::OkStatus();
}

absl::Status CheckDirectory(const std::string& directory) {
  struct stat status {};
  if (stat(directory.c_str(), &status) != 0) {
    return PathError(errno, "stat", directory);
  }
  if (!S_ISDIR(status.st_mode)) {
    return PathError(ENOTDIR, "open directory", directory);
  }
  if ((status.st_uid != geteuid() && status.st_uid != 0) || (status.st_mode & 022) != 0) {
    return FailedPrecondition(fmt::format(
        "the store's directory {0} belongs to uid {1} with mode {2:04o}: others could replace the "
        "store. It must belong to uid {3} and be writable for nobody else: chown {3} {0} && "
        "chmod 0700 {0}",
        directory, status.st_uid, status.st_mode & 07777, geteuid()));
  }
  return absl::OkStatus();
}

absl::Status CheckFile(const std::string& path, const struct stat& status) {
  if (!S_ISREG(status.st_mode)) {
    return FailedPrecondition(
        fmt::format("store {} is not a regular file: choose another --store", path));
  }
  if (status.st_uid != geteuid() || (status.st_mode & 077) != 0) {
    return FailedPrecondition(fmt::format(
        "store {0} has owner {1} and mode {2:04o}, expected owner {3} and 0600; it holds preshared "
        "keys, which who could read it may know. If that is acceptable: chown {3} {0} && chmod "
        "0600 {0}",
        path, status.st_uid, status.st_mode & 07777, geteuid()));
  }
  return absl::OkStatus();
}

// Does it hold anything?
absl::StatusOr<bool> CheckLog(const std::string& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) {
    return errno == ENOENT ? absl::StatusOr<bool>(false) : PathError(errno, "stat", path);
  }
  RETURN_IF_ERROR(CheckFile(path, status));
  return status.st_size > 0;
}

}  // namespace

absl::StatusOr<bool> PrepareStoreFile(const std::string& path) {
  std::filesystem::path directory = std::filesystem::path(path).parent_path();
  if (directory.empty()) {
    directory = ".";
  }
  RETURN_IF_ERROR(MakeDirectories(directory));
  RETURN_IF_ERROR(CheckDirectory(directory.string()));
  // O_NONBLOCK: a FIFO must not keep us waiting; a regular file does not care.
  constexpr int kFlags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  UniqueFd fd(open(path.c_str(), kFlags | O_CREAT | O_EXCL, kFileMode));
  const bool is_made = fd.is_open();
  if (errno == EEXIST && !is_made) {
    fd.Reset(open(path.c_str(), kFlags));
  }
  if (!fd.is_open()) {
    return PathError(errno, "open store", path);
  }
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) {
    return PathError(errno, "stat", path);
  }
  RETURN_IF_ERROR(CheckFile(path, status));
  ASSIGN_OR_RETURN(const bool has_log, CheckLog(path + "-wal"));
  if (status.st_size == 0 && (has_log || !is_made)) {
    if (is_made) {
      unlink(path.c_str());
    }
    return DataLoss(
        fmt::format("store {0} is {1}: put a backup in its place; or remove it{2} to begin "
                    "with an empty network, if there never was another",
                    path, is_made ? "missing" : "empty",
                    has_log ? fmt::format(" and {}-wal, which holds changes,", path) : ""));
  }
  return is_made;
}

void RemoveEmptyStoreFile(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) == 0 && status.st_size == 0) {
    unlink(path.c_str());
  }
}

}  // namespace adit::store
