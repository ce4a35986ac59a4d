/* Shifts CLOCK_REALTIME of one process by ADIT_TEST_SHIFT seconds, so that a test can set a wall
 * clock back without touching the machine's. Preloaded; every other clock is the kernel's. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *out) {
  const int result = (int)syscall(SYS_clock_gettime, id, out);
  const char *shift = getenv("ADIT_TEST_SHIFT");
  if (result == 0 && id == CLOCK_REALTIME && shift != NULL) {
    out->tv_sec += atol(shift);
  }
  return result;
}
