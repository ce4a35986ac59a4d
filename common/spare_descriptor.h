#pragma once

#include "common/unique_fd.h"

namespace adit {

// Whether the process may open so many more file descriptors at this moment. For libraries that end
// the process where they cannot.
[[nodiscard]] bool CanOpenDescriptors(int count);

// A file descriptor kept for when the process has no other (RLIMIT_NOFILE): without one a
// connection cannot even be refused, its caller waits, and the listening socket stays readable.
//
// Thread: one at a time.
class SpareDescriptor {
 public:
  SpareDescriptor() { Keep(); }

  // After accept failed with EMFILE or ENFILE: takes one connection off the listening socket, which
  // does not block, and closes it. False: the spare one is gone too; try again a little later.
  [[nodiscard]] bool RefuseOne(int listener);

 private:
  void Keep();

  UniqueFd spare_;
};

}  // namespace adit
