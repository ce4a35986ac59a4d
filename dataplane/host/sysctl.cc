#include "dataplane/host/sysctl.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/status.h"
#include "common/unique_fd.h"

namespace adit::host {

std::string SysctlName(std::string key) {
  for (char& c : key) {
    c = c == '/' ? '.' : c == '.' ? '/' : c;
  }
  return key;
}

absl::StatusOr<std::string> Sysctls::Read(const std::string& key) const {
  const std::string path = root_ + "/" + key;
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) {
    return ErrnoStatus(errno, "open " + path);
  }
  char buffer[256];
  const ssize_t got = read(fd.get(), buffer, sizeof buffer);
  if (got < 0) {
    return ErrnoStatus(errno, "read " + path);
  }
  std::string value(buffer, static_cast<std::size_t>(got));
  while (!value.empty() && value.back() == '\n') {
    value.pop_back();
  }
  return value;
}

absl::Status Sysctls::Write(const std::string& key, const std::string& value) const {
  const std::string path = root_ + "/" + key;
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.is_open()) {
    return ErrnoStatus(errno, fmt::format("set {}={}", SysctlName(key), value));
  }
  if (write(fd.get(), value.data(), value.size()) != static_cast<ssize_t>(value.size())) {
    return ErrnoStatus(errno, fmt::format("set {}={}", SysctlName(key), value));
  }
  return absl::OkStatus();
}

absl::Status Sysctls::Set(const std::string& key, const std::string& value) {
  ASSIGN_OR_RETURN(const std::string before, Read(key));
  if (before == value) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(Write(key, value));
  const auto [change, is_first] = changed_.try_emplace(key, Change{before, value, next_order_});
  change->second.ours = value;
  next_order_ += is_first ? 1 : 0;
  return absl::OkStatus();
}

absl::Status Sysctls::Restore(const std::string& key) {
  const auto found = changed_.find(key);
  if (found == changed_.end()) {
    return absl::OkStatus();
  }
  const Change change = std::move(found->second);
  changed_.erase(found);
  const absl::StatusOr<std::string> current = Read(key);
  if (!current.ok()) {
    return absl::IsNotFound(current.status()) ? absl::OkStatus() : current.status();
  }
  return *current == change.ours ? Write(key, change.before) : absl::OkStatus();
}

absl::Status Sysctls::RestoreAllBut(const std::set<std::string>& kept) {
  std::map<unsigned, std::string, std::greater<>> last_first;
  for (const auto& [key, change] : changed_) {
    if (!kept.contains(key)) {
      last_first.emplace(change.order, key);
    }
  }
  absl::Status first_error;
  for (const auto& [order, key] : last_first) {
    first_error.Update(Restore(key));
  }
  return first_error;
}

}  // namespace adit::host
