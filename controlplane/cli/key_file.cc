#include "controlplane/cli/key_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include <fmt/format.h>

#include "common/status.h"
#include "common/unique_fd.h"

namespace adit::cli {
namespace {

bool Exists(const std::string& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) == 0;
}

std::string DirectoryOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

absl::Status SyncDirectory(const std::string& path) {
  const UniqueFd fd(open(DirectoryOf(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.is_open() || fsync(fd.get()) != 0) {
    return ErrnoStatus(errno, fmt::format("write the directory {}", DirectoryOf(path)));
  }
  return absl::OkStatus();
}

absl::Status WriteAll(const UniqueFd& fd, const std::string& path, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd.get(), text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      return ErrnoStatus(errno, fmt::format("write {}", path));
    }
  }
  return fsync(fd.get()) == 0 ? absl::OkStatus()
                              : ErrnoStatus(errno, fmt::format("write {}", path));
}

absl::Status Rename(const std::string& from, const std::string& to, bool may_replace) {
  const unsigned flags = may_replace ? 0U : RENAME_NOREPLACE;
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags) == 0) {
    return absl::OkStatus();
  }
  // Some file systems do not know the flag; a link never replaces either.
  if (errno == EINVAL && !may_replace && link(from.c_str(), to.c_str()) == 0) {
    unlink(from.c_str());
    return absl::OkStatus();
  }
  return ErrnoStatus(errno, fmt::format("name {}", to));
}

}  // namespace

absl::StatusOr<KeyFile> KeyFile::Prepare(const std::string& path, bool may_replace) {
  KeyFile file(path, may_replace);
  if (path.empty() || path.ends_with('/')) {
    return InvalidArgument(fmt::format("--out: \"{}\": expected the name of a file", path));
  }
  if (access(DirectoryOf(path).c_str(), W_OK | X_OK) != 0) {
    return ErrnoStatus(errno, fmt::format("--out: \"{}\": write to its directory", path));
  }
  if (Exists(path) && !may_replace) {
    return AlreadyExists(
        fmt::format("--out: \"{}\": the file exists; expected another name, or --force", path));
  }
  if (Exists(file.pending_path())) {
    return AlreadyExists(fmt::format(
        "--out: {} exists from an attempt whose end is not known: if the hub has its public key "
        "(wg pubkey < {}), use aditctl peer export NAME --private-key-file; else remove it",
        file.pending_path(), file.pending_path()));
  }
  return file;
}

absl::Status KeyFile::Write(const std::string& path, std::string_view text, bool may_replace) {
  std::string fresh = path + ".XXXXXX";
  const UniqueFd fd(mkostemp(fresh.data(), O_CLOEXEC));  // 0600
  if (!fd.is_open()) {
    return ErrnoStatus(errno, fmt::format("create a file beside {}", path));
  }
  absl::Status status = WriteAll(fd, path, text);
  if (status.ok()) {
    status = Rename(fresh, path, may_replace);
  }
  if (!status.ok()) {
    unlink(fresh.c_str());
    return status;
  }
  return SyncDirectory(path);
}

absl::Status KeyFile::KeepKey(const ClientKey& key) {
  SecretText text = key.ToBase64();
  text += "\n";
  const absl::Status written = Write(pending_path(), text.view(), false);
  is_key_kept_ = written.ok();
  return written;
}

absl::Status KeyFile::Complete(std::string_view text) {
  RETURN_IF_ERROR(Write(path_, text, may_replace_));
  Abandon();
  return absl::OkStatus();
}

void KeyFile::Abandon() {
  if (is_key_kept_) {
    unlink(pending_path().c_str());
    is_key_kept_ = false;
  }
}

}  // namespace adit::cli
