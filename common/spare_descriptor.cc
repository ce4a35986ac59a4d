#include "common/spare_descriptor.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cstddef>
#include <vector>

namespace adit {

bool CanOpenDescriptors(int count) {
  std::vector<UniqueFd> opened;
  opened.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    opened.emplace_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!opened.back().is_open()) {
      return false;
    }
  }
  return true;
}

void SpareDescriptor::Keep() { spare_.Reset(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

bool SpareDescriptor::RefuseOne(int listener) {
  if (!spare_.is_open()) {
    Keep();
    return false;
  }
  spare_.Reset();
  { const UniqueFd refused(accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)); }
  Keep();
  return true;
}

}  // namespace adit
