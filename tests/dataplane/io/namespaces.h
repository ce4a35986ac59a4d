#pragma once

#include <fcntl.h>
#include <sched.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "common/unique_fd.h"

namespace adit::io {

// A network namespace without a name: it ends with its last socket and descriptor, so that nothing
// is left behind. What is opened while the thread is in it stays in it. The test needs root.
class NetworkNamespace {
 public:
  // Makes one and enters it.
  NetworkNamespace() {
    EXPECT_EQ(::unshare(CLONE_NEWNET), 0) << "needs root";
    fd_.Reset(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    // Addresses are usable at once: nobody else is there who might have them.
    std::ofstream("/proc/sys/net/ipv6/conf/default/accept_dad") << 0;
    Run("ip link set lo up");
  }
  void Enter() const { ASSERT_EQ(::setns(fd_.get(), CLONE_NEWNET), 0); }
  [[nodiscard]] int fd() const { return fd_.get(); }

  // In the namespace that the thread is in.
  static void Run(const std::string& command) {
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
  }
  [[nodiscard]] static std::string OutputOf(const std::string& command) {
    std::string output;
    FILE* pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) return output;
    char piece[4096];
    while (const std::size_t size = std::fread(piece, 1, sizeof piece, pipe)) {
      output.append(piece, size);
    }
    ::pclose(pipe);
    return output;
  }

 private:
  UniqueFd fd_;
};

// Two namespaces and a cable: veth interfaces v0 and v1 with 10.7.0.1, 10.7.0.2 and
// fd07::1, fd07::2.
struct VethPair {
  NetworkNamespace a;
  NetworkNamespace b;

  VethPair() {
    a.Enter();
    NetworkNamespace::Run("ip link add v0 type veth peer name v1");
    NetworkNamespace::Run("ip link set v1 netns /proc/" + std::to_string(::getpid()) + "/fd/" +
                          std::to_string(b.fd()));
    Configure("v0", "1");
    b.Enter();
    Configure("v1", "2");
    a.Enter();
  }

 private:
  static void Configure(const std::string& name, const std::string& host) {
    NetworkNamespace::Run("ip addr add 10.7.0." + host + "/24 dev " + name);
    NetworkNamespace::Run("ip addr add fd07::" + host + "/64 dev " + name + " nodad");
    NetworkNamespace::Run("ip link set " + name + " up");
  }
};

}  // namespace adit::io
