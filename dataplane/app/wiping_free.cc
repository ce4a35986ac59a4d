// The process's free() and realloc(): memory is overwritten before it is given back.
//
// Keys that live for long are in the SecretArena, and code of ours wipes what it copies. But a
// preshared key comes in through the stream's receive buffers and protobuf's strings, and files are
// read through the library's buffers, all of which free what they held as it is; and a key that was
// deleted must not be found in memory. Steady-state forwarding frees nothing, so this costs nothing
// where it matters.
//
// The linker lets an executable's definitions replace the C library's for every library it loads.
// Allocation stays the C library's.
#include <malloc.h>
#include <string.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>

extern "C" {

void __libc_free(void* memory);  // NOLINT(bugprone-reserved-identifier): the C library's own

void free(void* memory) noexcept {
  if (memory != nullptr) {
    explicit_bzero(memory, malloc_usable_size(memory));
    __libc_free(memory);
  }
}

void* realloc(void* memory, std::size_t size) noexcept {
  if (memory == nullptr) {
    return malloc(size);
  }
  if (size == 0) {
    free(memory);
    return nullptr;
  }
  const std::size_t usable = malloc_usable_size(memory);
  const bool fits = size <= usable && size >= usable / 2;
  if (fits) {
    return memory;
  }
  void* moved = malloc(size);
  if (moved != nullptr) {
    memcpy(moved, memory, std::min(size, usable));
    free(memory);
  }
  return moved;
}

}  // extern "C"
