#include "dataplane/io/gso_buffers.h"

#include <sys/mman.h>

#include <new>

namespace adit::io {

GsoBuffers::GsoBuffers() {
  void* const mapped = ::mmap(nullptr, kBufferCount * kBufferSize, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) {
    throw std::bad_alloc();
  }
  // A huge page would make one short datagram cost 2 MiB. Refused where there are none: as well.
  static_cast<void>(::madvise(mapped, kBufferCount * kBufferSize, MADV_NOHUGEPAGE));
  memory_ = static_cast<std::uint8_t*>(mapped);
  for (std::size_t i = 0; i < kBufferCount; ++i) {
    free_[i] = static_cast<BatchIndex>(kBufferCount - 1 - i);
  }
}

GsoBuffers::~GsoBuffers() { ::munmap(memory_, kBufferCount * kBufferSize); }

}  // namespace adit::io
