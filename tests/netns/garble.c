/* A kernel that cuts trains wrongly: of the sends with UDP_SEGMENT every ADIT_GARBLE_EVERY-th leaves
 * as ADIT_GARBLE says: "content", the bytes behind the header of each segment are another's; "cut", it
 * is cut eight bytes beside the boundaries. Preloaded into the sender. */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
enum { HEADER = 16, SHIFT = 8 };

static size_t segment_size(const struct msghdr *message) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL;
       c = CMSG_NXTHDR((struct msghdr *)message, c)) {
    if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_SEGMENT) {
      uint16_t size = 0;
      memcpy(&size, CMSG_DATA(c), sizeof size);
      return size;
    }
  }
  return 0;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  static uint8_t garbled[65536];
  static unsigned long sends = 0;
  const char *every = getenv("ADIT_GARBLE_EVERY");
  const char *how = getenv("ADIT_GARBLE");
  const size_t size = every != NULL && how != NULL ? segment_size(message) : 0;
  const size_t total = message->msg_iovlen == 1 ? message->msg_iov[0].iov_len : 0;
  if (size <= HEADER || total < 2 * size || ++sends % strtoul(every, NULL, 10) != 0) {
    return syscall(SYS_sendmsg, fd, message, flags);
  }
  const uint8_t *bytes = message->msg_iov[0].iov_base;
  memcpy(garbled, bytes, total);
  if (strcmp(how, "cut") == 0) {
    memmove(garbled + size, garbled + size + SHIFT, total - size - SHIFT);
  } else {
    for (size_t at = size; at + size <= total; at += size) {
      memcpy(garbled + at + HEADER, bytes + HEADER, size - HEADER);
    }
  }
  struct iovec part = {garbled, total};
  struct msghdr changed = *message;
  changed.msg_iov = &part;
  return syscall(SYS_sendmsg, fd, &changed, flags);
}
