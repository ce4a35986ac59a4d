#include "dataplane/host/sysctl.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <functional>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "common/log.h"
#include "common/status.h"
#include "common/unique_fd.h"

namespace adit::host {
namespace {

// Tells this boot and network namespace from all others: settings of another are not ours to undo.
std::string PlaceAndTime() {
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  struct stat status {};
  const bool is_known = stat("/proc/self/ns/net", &status) == 0;
  return fmt::format("{} net:{}", boot, is_known ? status.st_ino : 0);
}

}  // namespace

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

void Sysctls::KeepRecord(const std::string& path) {
  record_path_ = path;
  Load();
}

void Sysctls::Load() {
  std::ifstream file(record_path_);
  std::string line;
  if (!std::getline(file, line) || line != PlaceAndTime()) {
    return;
  }
  std::string key;
  Change change;
  while (std::getline(file, key, '\t') && std::getline(file, change.before, '\t') &&
         std::getline(file, change.ours)) {
    const bool is_ours = key.starts_with("net/ipv") && key.find("..") == std::string::npos &&
                         Read(key).value_or("") == change.ours;
    if (is_ours && !changed_.contains(key)) {
      change.order = next_order_++;
      changed_.emplace(key, change);
    }
  }
}

// Replaces the file whole, in the order of the changes.
void Sysctls::Save() {
  if (record_path_.empty()) {
    return;
  }
  std::map<unsigned, std::string> lines;
  for (const auto& [key, change] : changed_) {
    lines.emplace(change.order, fmt::format("{}\t{}\t{}\n", key, change.before, change.ours));
  }
  std::string content = PlaceAndTime() + "\n";
  for (const auto& [order, line] : lines) {
    content += line;
  }
  const std::string temporary = record_path_ + ".tmp";
  unlink(temporary.c_str());
  const UniqueFd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  const bool is_saved =
      fd.is_open() &&
      write(fd.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()) &&
      rename(temporary.c_str(), record_path_.c_str()) == 0;
  if (!is_saved && !std::exchange(has_logged_, true)) {
    LOG_INFO("cannot write {}: {}; if this process is killed, forwarding stays on", record_path_,
             std::generic_category().message(errno));
  }
}

absl::Status Sysctls::Set(const std::string& key, const std::string& value) {
  ASSIGN_OR_RETURN(const std::string before, Read(key));
  if (before == value) {
    return absl::OkStatus();
  }
  // Recorded first: a kill between the two costs nothing.
  const auto [change, is_first] = changed_.try_emplace(key, Change{before, value, next_order_});
  const std::string ours_before = std::exchange(change->second.ours, value);
  next_order_ += is_first ? 1 : 0;
  Save();
  absl::Status status = Write(key, value);
  if (!status.ok() && is_first) {
    changed_.erase(change);
    Save();
  } else if (!status.ok()) {
    change->second.ours = ours_before;
    Save();
  }
  return status;
}

absl::Status Sysctls::Restore(const std::string& key) {
  const auto found = changed_.find(key);
  if (found == changed_.end()) {
    return absl::OkStatus();
  }
  const Change change = found->second;
  const absl::StatusOr<std::string> current = Read(key);
  absl::Status status;
  if (!current.ok()) {
    status = absl::IsNotFound(current.status()) ? absl::OkStatus() : current.status();
  } else if (*current == change.ours) {
    status = Write(key, change.before);
  }
  changed_.erase(key);
  Save();
  return status;
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
