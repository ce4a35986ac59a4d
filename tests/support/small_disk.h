#pragma once

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <functional>
#include <string>

#include <gtest/gtest.h>

// A file system that can be filled up. As root.
namespace adit::testing {

// Runs `body` in a child with a mount namespace of its own and a small tmpfs on `path`.
inline void OnSmallDisk(const std::string& path, const char* size,
                        const std::function<void()>& body) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const std::string options = std::string("mode=0700,size=") + size;
    if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) ||
        mount("tmpfs", path.c_str(), "tmpfs", 0, options.c_str()) != 0) {
      perror("a small tmpfs");
      _exit(2);
    }
    body();
    _exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

inline void FillDisk(const std::string& path) {
  std::ofstream filler(path + "/filler", std::ios::binary);
  const std::string block(4096, 'x');
  while (filler.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
  }
}

// Until it is unmounted or the child ends.
inline void MakeUndeletable(const std::string& file) {
  if (mount(file.c_str(), file.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    perror("bind a file on itself");
    _exit(2);
  }
}

}  // namespace adit::testing
