#include "tests/dataplane/crypto/malloc_count.h"

#include <atomic>
#include <cstddef>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ADIT_SANITIZER_OWNS_MALLOC
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ADIT_SANITIZER_OWNS_MALLOC
#endif
#endif

namespace {
std::atomic<std::uint64_t> malloc_count{0};
}  // namespace

namespace adit::crypto {
std::uint64_t MallocCount() { return malloc_count.load(); }
}  // namespace adit::crypto

#ifdef ADIT_SANITIZER_OWNS_MALLOC

// Declared here: g++ comes without the header (sanitizer/allocator_interface.h).
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void*,
                                                                             std::size_t),
                                                         void (*free_hook)(const volatile void*));

namespace {
const int hooks_installed = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, std::size_t) { malloc_count.fetch_add(1); },
    [](const volatile void*) {});
}  // namespace

#else

// glibc's own entry points: no dlsym, which allocates.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* block, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) {
  malloc_count.fetch_add(1);
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  malloc_count.fetch_add(1);
  return __libc_calloc(count, size);
}
void* realloc(void* block, std::size_t size) {
  malloc_count.fetch_add(1);
  return __libc_realloc(block, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  malloc_count.fetch_add(1);
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** block, std::size_t alignment, std::size_t size) {
  malloc_count.fetch_add(1);
  *block = __libc_memalign(alignment, size);
  return *block == nullptr ? 12 : 0;
}
}

#endif
