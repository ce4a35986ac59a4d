#include "tests/dataplane/host/host_namespace.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "common/unique_fd.h"

namespace adit::host {

void HostNamespace::SetUp() {
  ASSERT_EQ(unshare(CLONE_NEWNET | CLONE_NEWNS), 0) << "these tests run as root";
  ASSERT_EQ(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  // What `ip netns` makes is gone with the namespace, too.
  ASSERT_EQ(mount("none", "/run", "tmpfs", 0, nullptr), 0);
  Must("ip link set lo up");
}

void HostNamespace::MakeTun(const std::string& name) {
  const UniqueFd tun(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(tun.is_open());
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  ASSERT_EQ(ioctl(tun.get(), TUNSETIFF, &request), 0);
  ASSERT_EQ(ioctl(tun.get(), TUNSETPERSIST, 1), 0);
}

void HostNamespace::MakeVeth(const std::string& name) {
  Must("ip link add " + name + " type veth peer name " + name + "x");
  Must("ip link set " + name + " up && ip link set " + name + "x up");
}

std::string Must(const std::string& command) {
  FILE* const pipe = popen(("exec 2>&1; " + command).c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  std::string output;
  char buffer[4096];
  while (const std::size_t got = fread(buffer, 1, sizeof buffer, pipe)) {
    output.append(buffer, got);
  }
  EXPECT_EQ(pclose(pipe), 0) << command << "\n" << output;
  return output;
}

bool InChild(const std::function<bool()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    const bool is_good = body() && !testing::Test::HasFailure();
    std::fflush(nullptr);
    _exit(is_good ? 0 : 1);
  }
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
         WEXITSTATUS(status) == 0;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::stringstream content;
  content << file.rdbuf();
  std::string text = content.str();
  while (!text.empty() && text.back() == '\n') {
    text.pop_back();
  }
  return text;
}

}  // namespace adit::host
