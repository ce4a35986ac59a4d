#pragma once

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "common/unique_fd.h"

namespace adit::app {

inline constexpr uid_t kControlplaneUid = 64062;

// A running adit-controlplane and what it says.
class HubProcess {
 public:
  struct Privileges {
    uid_t uid = kControlplaneUid;
    bool has_net_admin = false;
  };

  HubProcess(std::vector<std::string> arguments, const Privileges& privileges) {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    output_.Reset(ends[0]);
    const UniqueFd write_end(ends[1]);
    arguments.insert(arguments.begin(), ADIT_BINARY_DIR "/adit-controlplane");
    std::vector<char*> argv;
    for (std::string& argument : arguments) {
      argv.push_back(argument.data());
    }
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(write_end.get(), STDERR_FILENO);
      dup2(write_end.get(), STDOUT_FILENO);
      Become(privileges);
      execv(argv[0], argv.data());
      _exit(127);
    }
  }
  explicit HubProcess(std::vector<std::string> arguments)
      : HubProcess(std::move(arguments), Privileges()) {}
  ~HubProcess() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }
  HubProcess(const HubProcess&) = delete;
  HubProcess& operator=(const HubProcess&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] const std::string& text() const { return text_; }
  void Signal(int number) const { kill(pid_, number); }

  // Reads on until the text is there; false at its end or after ten seconds.
  bool Says(const std::string& text) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (text_.find(text) == std::string::npos) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          end - std::chrono::steady_clock::now());
      pollfd ready{output_.get(), POLLIN, 0};
      if (left.count() <= 0 || poll(&ready, 1, static_cast<int>(left.count())) <= 0 || !ReadOn()) {
        return text_.find(text) != std::string::npos;
      }
    }
    return true;
  }
  // Exit code, or minus the signal that ended it; all it said is in text().
  int Wait() {
    while (ReadOn()) {
    }
    int status = 0;
    waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  bool ReadOn() {
    char bytes[4096];
    const ssize_t size = read(output_.get(), bytes, sizeof bytes);
    if (size > 0) {
      text_.append(bytes, static_cast<std::size_t>(size));
    }
    return size > 0;
  }

  static void Become(const Privileges& privileges) {
    if (privileges.uid == 0) {
      return;
    }
    prctl(PR_SET_KEEPCAPS, privileges.has_net_admin ? 1 : 0);
    if (setgroups(0, nullptr) != 0 ||
        setresgid(privileges.uid, privileges.uid, privileges.uid) != 0 ||
        setresuid(privileges.uid, privileges.uid, privileges.uid) != 0) {
      _exit(126);
    }
    if (privileges.has_net_admin) {
      constexpr std::uint32_t kBit = 1U << CAP_NET_ADMIN;
      __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
      __user_cap_data_struct sets[2] = {{kBit, kBit, kBit}, {0, 0, 0}};
      if (syscall(SYS_capset, &header, sets) != 0 ||
          prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0) != 0) {
        _exit(126);
      }
    }
  }

  pid_t pid_ = -1;
  UniqueFd output_;
  std::string text_;
};

}  // namespace adit::app
