#pragma once

#include "common/status.h"
#include "common/unique_fd.h"

namespace adit::app {

// SIGTERM, SIGINT and SIGHUP as a descriptor (signalfd): blocked in the whole process.
//
// Make it before any thread starts, so that all inherit the mask.
class StopSignals {
 public:
  [[nodiscard]] static absl::StatusOr<StopSignals> Make();

  // Non-blocking; readable when a signal waits.
  [[nodiscard]] int fd() const { return fd_.get(); }
  // The number of one that waits; 0: none.
  [[nodiscard]] int Take();

 private:
  explicit StopSignals(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace adit::app
