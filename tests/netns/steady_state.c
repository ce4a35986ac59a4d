/* Preloaded into a process to look at its steady state from outside, through a file that both map
 * (ADIT_STEADY_STATE): every thread's calls of malloc and its kin are counted there, and what the
 * file says is added to CLOCK_BOOTTIME, so that a test can make two minutes pass. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { kThreads = 63 };

struct Shared {
  _Atomic int64_t boot_shift_seconds;
  _Atomic uint64_t thread_count;
  struct {
    _Atomic uint64_t id;
    _Atomic uint64_t allocations;
  } threads[kThreads];
};

static _Atomic(struct Shared *) shared;
static __thread int own_slot __attribute__((tls_model("initial-exec"))) = -1;

__attribute__((constructor)) static void map_file(void) {
  const char *path = getenv("ADIT_STEADY_STATE");
  if (path == NULL) {
    return;
  }
  const int fd = open(path, O_RDWR | O_CLOEXEC);
  void *mapping = mmap(NULL, sizeof(struct Shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (fd < 0 || mapping == MAP_FAILED) {
    abort();
  }
  close(fd);
  atomic_store(&shared, mapping);
}

static void count(void) {
  struct Shared *const to = atomic_load_explicit(&shared, memory_order_relaxed);
  if (to == NULL) {
    return;
  }
  if (own_slot < 0) {
    own_slot = (int)atomic_fetch_add(&to->thread_count, 1);
    if (own_slot >= kThreads) {
      abort();
    }
    atomic_store(&to->threads[own_slot].id, (uint64_t)syscall(SYS_gettid));
  }
  atomic_fetch_add(&to->threads[own_slot].allocations, 1);
}

/* glibc's own entry points: no dlsym, which allocates. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) {
  count();
  return __libc_malloc(size);
}
void *calloc(size_t number, size_t size) {
  count();
  return __libc_calloc(number, size);
}
void *realloc(void *block, size_t size) {
  count();
  return __libc_realloc(block, size);
}
void *memalign(size_t alignment, size_t size) {
  count();
  return __libc_memalign(alignment, size);
}
void *aligned_alloc(size_t alignment, size_t size) {
  count();
  return __libc_memalign(alignment, size);
}
int posix_memalign(void **block, size_t alignment, size_t size) {
  count();
  *block = __libc_memalign(alignment, size);
  return *block == NULL ? ENOMEM : 0;
}

int clock_gettime(clockid_t id, struct timespec *out) {
  const int result = (int)syscall(SYS_clock_gettime, id, out);
  struct Shared *const from = atomic_load_explicit(&shared, memory_order_relaxed);
  if (result == 0 && id == CLOCK_BOOTTIME && from != NULL) {
    out->tv_sec += atomic_load_explicit(&from->boot_shift_seconds, memory_order_relaxed);
  }
  return result;
}
