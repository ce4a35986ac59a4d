#pragma once

#include <map>
#include <set>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace adit::host {

// Settings under /proc/sys, and what they were before we changed them.
//
// Writing net/… works without uid 0 for who holds CAP_NET_ADMIN in the user namespace that owns the
// network namespace. Thread: one at a time.
class Sysctls {
 public:
  // `root` is "/proc/sys" but in tests.
  explicit Sysctls(std::string root = "/proc/sys") : root_(std::move(root)) {}

  // Keeps what was before also in the file at `path`, so that a process that takes over from a
  // killed one can put it back: changes found there count as made by this object if their value is
  // still the one that was set. The file is believed only for this boot and network namespace.
  // Without a call, or when it cannot be written (logged once), the record dies with the process.
  void KeepRecord(const std::string& path);

  // `key` is a path below the root: "net/ipv4/conf/eth0/forwarding". NOT_FOUND when there is none.
  [[nodiscard]] absl::StatusOr<std::string> Read(const std::string& key) const;
  // Does nothing when the value is so already. The first change of a key records what it was.
  [[nodiscard]] absl::Status Set(const std::string& key, const std::string& value);
  // Puts the recorded value back, unless somebody has changed ours meanwhile, and forgets it. OK
  // when nothing is recorded or the key is gone (its interface was deleted).
  [[nodiscard]] absl::Status Restore(const std::string& key);
  // Every recorded key but those in `kept`, the last changed first; the first error, after having
  // tried all.
  [[nodiscard]] absl::Status RestoreAllBut(const std::set<std::string>& kept);
  // Without recording.
  [[nodiscard]] absl::Status Write(const std::string& key, const std::string& value) const;

  [[nodiscard]] bool is_changed(const std::string& key) const { return changed_.contains(key); }

 private:
  struct Change {
    std::string before;
    std::string ours;
    unsigned order = 0;
  };

  void Load();
  void Save();

  std::string root_;
  std::string record_path_;
  bool has_logged_ = false;
  std::map<std::string, Change> changed_;
  unsigned next_order_ = 0;
};

// As sysctl(8) writes it: "net.ipv4.conf.eth0/5.forwarding" for net/ipv4/conf/eth0.5/forwarding.
[[nodiscard]] std::string SysctlName(std::string key);

}  // namespace adit::host
