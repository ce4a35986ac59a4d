#include "common/random.h"

#include <sys/random.h>

#include <cerrno>
#include <cstdlib>

namespace adit {

void SystemRandom::Fill(MutableByteSpan out) {
  while (!out.empty()) {
    const ssize_t got = getrandom(out.data(), out.size(), 0);
    if (got > 0) {
      out = out.subspan(static_cast<std::size_t>(got));
    } else if (errno != EINTR) {
      std::abort();
    }
  }
}

}  // namespace adit
