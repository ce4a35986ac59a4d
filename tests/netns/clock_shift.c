/* Shifts clocks of one process, so that a test can set them without touching the machine's. Preloaded.
 * CLOCK_REALTIME by ADIT_TEST_SHIFT seconds; or, with ADIT_TEST_SHIFT_FILE, by what that file says at
 * the moment: two native 64-bit numbers of seconds, for CLOCK_REALTIME and CLOCK_BOOTTIME. Every other
 * clock is the kernel's. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shifts;

__attribute__((constructor)) static void map_shifts(void) {
  const char *path = getenv("ADIT_TEST_SHIFT_FILE");
  const int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (fd < 0) {
    return;
  }
  void *mapped = mmap(NULL, 2 * sizeof *shifts, PROT_READ, MAP_SHARED, fd, 0);
  shifts = mapped == MAP_FAILED ? NULL : mapped;
  close(fd);
}

int clock_gettime(clockid_t id, struct timespec *out) {
  const int result = (int)syscall(SYS_clock_gettime, id, out);
  const char *shift = getenv("ADIT_TEST_SHIFT");
  if (result != 0) {
    return result;
  }
  if (shifts != NULL && id == CLOCK_REALTIME) {
    out->tv_sec += shifts[0];
  } else if (shifts != NULL && id == CLOCK_BOOTTIME) {
    out->tv_sec += shifts[1];
  } else if (id == CLOCK_REALTIME && shift != NULL) {
    out->tv_sec += atol(shift);
  }
  return result;
}
