#include "dataplane/io/gso_buffer_pause.h"

#include <sched.h>

namespace adit::io {
namespace {

void RelaxProcessor() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

bool BufferPause::Pause(std::uint32_t attempt) {
  const Instant now = clock_.Read().boot;
  if (attempt == 0) {
    started_ = now;
  }
  if (now - started_ >= kLimit) {
    return false;
  }
  if (attempt < kSpinningAttempts) {
    for (std::uint32_t i = 0; i < (1U << attempt); ++i) {
      RelaxProcessor();
    }
  } else {
    ::sched_yield();
  }
  return true;
}

}  // namespace adit::io
