#include "dataplane/app/background.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace adit::app {

absl::StatusOr<Background> Background::Enter() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    return ErrnoStatus(errno, "make a pipe");
  }
  UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const pid_t child = fork();
  if (child < 0) {
    return ErrnoStatus(errno, "fork");
  }
  Background background;
  if (child == 0) {
    (void)setsid();
    (void)!chdir("/");
    background.ready_ = std::move(writer);
    return background;
  }
  writer.Reset();
  char byte = 0;
  ssize_t got = 0;
  do {
    got = read(reader.get(), &byte, 1);
  } while (got < 0 && errno == EINTR);
  background.exit_code_ = got == 1 ? 0 : 1;
  if (got != 1) {
    (void)waitpid(child, nullptr, 0);  // it has said why before it ended
  }
  return background;
}

void Background::Ready(bool keeps_stderr) {
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (null.is_open()) {
    (void)dup2(null.get(), STDIN_FILENO);
    (void)dup2(null.get(), STDOUT_FILENO);
    if (!keeps_stderr) {
      (void)dup2(null.get(), STDERR_FILENO);
    }
  }
  (void)!write(ready_.get(), "", 1);
  ready_.Reset();
}

}  // namespace adit::app
