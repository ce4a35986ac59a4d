#pragma once

#include <optional>

#include "common/status.h"
#include "common/unique_fd.h"

namespace adit::app {

// Goes to the background the way wg-quick expects of a userspace device: the command returns only
// when the device is there, and with its error when it is not.
//
//   auto background = Background::Enter();        // forks
//   if (const auto code = background->exit_code()) return *code;   // in the parent
//   …open everything; errors go to standard error, and the parent exits 1…
//   background->Ready(keeps_stderr);              // the parent exits 0
//
// Call Enter before threads exist.
class Background {
 public:
  // In the parent it returns when the child is ready or has ended.
  [[nodiscard]] static absl::StatusOr<Background> Enter();

  // In the parent: what to exit with. Nothing in the child.
  [[nodiscard]] std::optional<int> exit_code() const { return exit_code_; }

  // In the child: lets the parent go, and lets go of the terminal: whoever waits for the end of the
  // command's output must not wait for the device's.
  void Ready(bool keeps_stderr);

 private:
  Background() = default;

  std::optional<int> exit_code_;
  UniqueFd ready_;
};

}  // namespace adit::app
