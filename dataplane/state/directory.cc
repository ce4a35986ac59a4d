#include "dataplane/state/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include <fmt/format.h>

#include "common/status.h"

namespace adit::state {
namespace {

constexpr char kLockName[] = "lock";
constexpr mode_t kFileMode = 0600;
constexpr mode_t kDirectoryMode = 0700;

std::string_view RemedyFor(int error_number) {
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
      return " (free space on that file system)";
    case EROFS:
      return " (the file system is read-only: mount it writable or choose another --state-dir)";
    case EACCES:
    case EPERM:
      return " (the directory must belong to the data plane's user, mode 0700)";
    case EIO:
      return " (the disk reports errors: check it)";
    default:
      return "";
  }
}

absl::Status PathError(int error_number, std::string_view operation, std::string_view path) {
  const absl::Status plain = ErrnoStatus(error_number, fmt::format("{} {}", operation, path));
  absl::Status with_remedy(plain.code(), MessageOf(plain) + std::string(RemedyFor(error_number)));
  plain.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    with_remedy.SetPayload(url, payload);
  });
  return with_remedy;
}

absl::Status OwnerError(const std::string& path, uid_t owner) {
  return FailedPrecondition(
      fmt::format("state directory {} belongs to uid {}, but the data plane runs as uid {}: "
                  "chown -R {} {}",
                  path, owner, geteuid(), geteuid(), path));
}

absl::Status MakeParents(const std::string& path) {
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const std::string parent = path.substr(0, slash);
    if (mkdir(parent.c_str(), 0755) != 0 && errno != EEXIST) {
      return PathError(errno, "make directory", parent);
    }
  }
  return absl::OkStatus();
}

bool IsEmptyDirectory(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(opendir(path.c_str()), &closedir);
  if (listing == nullptr) {
    return false;
  }
  while (const dirent* entry = readdir(listing.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") {
      return false;
    }
  }
  return true;
}

}  // namespace

std::string DamagedName(std::string_view name) { return fmt::format("damaged-{}", name); }

int WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) {
        continue;
      }
      return errno;
    }
    if (written == 0) {
      return ENOSPC;
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

absl::Status StateDirectory::Prepare(const std::string& path, uid_t uid, gid_t gid) {
  RETURN_IF_ERROR(MakeParents(path));
  const bool made = mkdir(path.c_str(), kDirectoryMode) == 0;
  if (!made && errno != EEXIST) {
    return PathError(errno, "make directory", path);
  }
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) {
    return PathError(errno, "stat", path);
  }
  const bool is_ours_to_give =
      S_ISDIR(status.st_mode) && (made || (status.st_uid == geteuid() && IsEmptyDirectory(path)));
  if (!is_ours_to_give || (status.st_uid == uid && status.st_gid == gid)) {
    return absl::OkStatus();
  }
  if (lchown(path.c_str(), uid, gid) != 0) {
    return PathError(errno, "change owner of", path);
  }
  return absl::OkStatus();
}

absl::StatusOr<StateDirectory> StateDirectory::Open(const std::string& path) {
  RETURN_IF_ERROR(MakeParents(path));
  if (mkdir(path.c_str(), kDirectoryMode) != 0 && errno != EEXIST) {
    return PathError(errno, "make directory", path);
  }
  struct stat status {};
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.is_open()) {
    const int error_number = errno;
    const bool is_anothers =
        error_number == EACCES && lstat(path.c_str(), &status) == 0 && status.st_uid != geteuid();
    return is_anothers ? OwnerError(path, status.st_uid)
                       : PathError(error_number, "open directory", path);
  }
  if (fstat(fd.get(), &status) != 0) {
    return PathError(errno, "stat", path);
  }
  if (status.st_uid != geteuid()) {
    return OwnerError(path, status.st_uid);
  }
  if ((status.st_mode & 077) != 0) {
    return FailedPrecondition(
        fmt::format("state directory {} has mode {:04o}; it holds secrets: chmod 0700 {}", path,
                    status.st_mode & 07777, path));
  }
  StateDirectory directory(path, std::move(fd));
  RETURN_IF_ERROR(directory.Lock());
  return directory;
}

absl::Status StateDirectory::Lock() {
  lock_.Reset(openat(fd_.get(), kLockName, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, kFileMode));
  if (!lock_.is_open()) {
    return Error(errno, "open", kLockName);
  }
  if (flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return FailedPrecondition(
          fmt::format("state directory {} is in use by another data plane: stop it or choose "
                      "another --state-dir",
                      path_));
    }
    return Error(errno, "lock", kLockName);
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> StateDirectory::OpenExisting(std::string_view name, int flags) const {
  UniqueFd fd(openat(fd_.get(), std::string(name).c_str(), flags | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.is_open()) {
    return Error(errno, "open", name);
  }
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) {
    return Error(errno, "stat", name);
  }
  if (!S_ISREG(status.st_mode)) {
    return FailedPrecondition(
        fmt::format("{}/{} is not a regular file: move it away", path_, name));
  }
  if (status.st_uid != geteuid() || (status.st_mode & 077) != 0) {
    return FailedPrecondition(fmt::format(
        "{0}/{1} has owner {2} and mode {3:04o}, expected owner {4} and 0600; who could read it "
        "may "
        "know its secrets. If that is acceptable: chown {4} {0}/{1} && chmod 0600 {0}/{1}",
        path_, name, status.st_uid, status.st_mode & 07777, geteuid()));
  }
  return fd;
}

absl::StatusOr<UniqueFd> StateDirectory::Create(std::string_view name, int flags) const {
  RETURN_IF_ERROR(Remove(name));
  UniqueFd fd(openat(fd_.get(), std::string(name).c_str(),
                     flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kFileMode));
  if (!fd.is_open()) {
    return Error(errno, "create", name);
  }
  return fd;
}

absl::StatusOr<std::string> StateDirectory::Read(std::string_view name,
                                                 std::size_t max_size) const {
  ASSIGN_OR_RETURN(const UniqueFd fd, OpenExisting(name, O_RDONLY));
  std::string content;
  char buffer[4096];
  while (content.size() <= max_size) {
    const ssize_t got = read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return Error(errno, "read", name);
    }
    if (got == 0) {
      return content;
    }
    content.append(buffer, static_cast<std::size_t>(got));
  }
  return DataLoss(fmt::format("{}/{} is longer than {} bytes", path_, name, max_size));
}

absl::Status StateDirectory::WriteAtomically(
    std::string_view name, const std::function<absl::Status(int fd)>& write) const {
  const std::string temporary = fmt::format("{}.tmp", name);
  ASSIGN_OR_RETURN(const UniqueFd fd, Create(temporary, O_WRONLY));
  absl::Status status = write(fd.get());
  if (status.ok() && fsync(fd.get()) != 0) {
    status = Error(errno, "fsync", temporary);
  }
  if (status.ok() &&
      renameat(fd_.get(), temporary.c_str(), fd_.get(), std::string(name).c_str()) != 0) {
    status = Error(errno, "rename", temporary);
  }
  if (!status.ok()) {
    Remove(temporary).IgnoreError();  // the first error is the one to report
    return status;
  }
  return Sync();
}

absl::Status StateDirectory::WriteAtomically(std::string_view name,
                                             std::string_view content) const {
  return WriteAtomically(name, [&](int fd) {
    const int error_number = WriteAll(fd, content);
    return error_number == 0 ? absl::OkStatus() : Error(error_number, "write", name);
  });
}

absl::Status StateDirectory::SetAside(std::string_view name) const {
  if (renameat(fd_.get(), std::string(name).c_str(), fd_.get(), DamagedName(name).c_str()) != 0 &&
      errno != ENOENT) {
    return Error(errno, "set aside", name);
  }
  return absl::OkStatus();
}

absl::Status StateDirectory::Remove(std::string_view name) const {
  if (unlinkat(fd_.get(), std::string(name).c_str(), 0) != 0 && errno != ENOENT) {
    return Error(errno, "remove", name);
  }
  return absl::OkStatus();
}

absl::Status StateDirectory::Sync() const {
  return fsync(fd_.get()) == 0 ? absl::OkStatus() : PathError(errno, "fsync directory", path_);
}

absl::StatusOr<std::vector<std::string>> StateDirectory::List() const {
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(opendir(path_.c_str()), &closedir);
  if (listing == nullptr) {
    return PathError(errno, "list", path_);
  }
  std::vector<std::string> names;
  while (const dirent* entry = readdir(listing.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") {
      names.emplace_back(name);
    }
  }
  return names;
}

absl::Status StateDirectory::Error(int error_number, std::string_view operation,
                                   std::string_view name) const {
  return PathError(error_number, operation, fmt::format("{}/{}", path_, name));
}

}  // namespace adit::state
