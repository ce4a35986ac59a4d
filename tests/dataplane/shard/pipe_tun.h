#pragma once

#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "common/unique_fd.h"
#include "dataplane/io/syscalls.h"
#include "dataplane/io/virtio_header.h"

namespace adit::shard {

// The kernel's UDP sockets and, in place of its TUN, a socket pair whose other end the test holds:
// what it writes is read from TUN, and the other way round. Needs no privilege.
class PipeTun final : public io::Syscalls {
 public:
  using Bytes = std::vector<std::uint8_t>;

  // --- the test's end
  // An IP packet appears on the TUN.
  void Inject(const Bytes& packet) {
    Bytes framed(io::kVirtioHeaderSize, 0);
    framed.insert(framed.end(), packet.begin(), packet.end());
    (void)!write(far_end_.get(), framed.data(), framed.size());
  }
  // The same, once there is room for it in the TUN's queue.
  void InjectWaiting(const Bytes& packet) {
    pollfd writable{far_end_.get(), POLLOUT, 0};
    (void)poll(&writable, 1, 10'000);
    Inject(packet);
  }
  // The next packet written to TUN; nothing after so long.
  std::optional<Bytes> Next(int timeout_milliseconds = 10'000) {
    pollfd readable{far_end_.get(), POLLIN, 0};
    if (poll(&readable, 1, timeout_milliseconds) != 1) {
      return std::nullopt;
    }
    Bytes framed(70'000);
    const ssize_t size = read(far_end_.get(), framed.data(), framed.size());
    if (size < static_cast<ssize_t>(io::kVirtioHeaderSize)) {
      return std::nullopt;
    }
    return Bytes(framed.begin() + io::kVirtioHeaderSize, framed.begin() + size);
  }
  // As when somebody deletes the interface.
  void DeleteInterface() {
    is_deleted_ = true;
    Inject({});
  }
  // So many sends are refused: the socket is full, or what the test says.
  std::atomic<int> sends_refused{0};
  std::atomic<int> send_error{EAGAIN};
  // So many reads of TUN fail.
  std::atomic<int> reads_refused{0};
  std::atomic<int> read_error{ENOMEM};

  // --- TUN
  int Open(const char*, int) override {
    std::array<int, 2> ends{};
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) != 0) {
      return -errno;
    }
    far_end_.Reset(ends[0]);
    return ends[1];
  }
  int Ioctl(int, unsigned long request, void* argument) override {
    if (request == TUNSETIFF) {
      is_deleted_ = false;
    }
    if (request == SIOCGIFINDEX) {
      static_cast<ifreq*>(argument)->ifr_ifindex = 4242;
    }
    return 0;
  }
  int IoctlValue(int, unsigned long, unsigned long) override { return 0; }
  std::ptrdiff_t Read(int fd, void* buffer, std::size_t size) override {
    if (is_deleted_) {
      return -EBADFD;
    }
    return Takes(reads_refused) ? -read_error : system_.Read(fd, buffer, size);
  }
  std::ptrdiff_t Write(int fd, const void* buffer, std::size_t size) override {
    return is_deleted_ ? -EBADFD : system_.Write(fd, buffer, size);
  }
  std::ptrdiff_t WriteV(int fd, const iovec* parts, int count) override {
    return is_deleted_ ? -EBADFD : system_.WriteV(fd, parts, count);
  }

  // --- sockets; those for link settings only look like one
  int Socket(int family, int type, int protocol) override {
    const int fd = system_.Socket(family == AF_NETLINK ? AF_UNIX : family,
                                  family == AF_NETLINK ? SOCK_DGRAM | SOCK_CLOEXEC : type,
                                  family == AF_NETLINK ? 0 : protocol);
    if (family == AF_NETLINK) {
      link_fd_ = fd;
    } else if (fd == link_fd_) {
      link_fd_ = -1;  // that one was closed
    }
    return fd;
  }
  int Bind(int fd, const sockaddr* address, socklen_t size) override {
    return system_.Bind(fd, address, size);
  }
  int GetSockName(int fd, sockaddr* address, socklen_t* size) override {
    return system_.GetSockName(fd, address, size);
  }
  int SetSockOpt(int fd, int level, int option, const void* value, socklen_t size) override {
    return system_.SetSockOpt(fd, level, option, value, size);
  }
  int GetSockOpt(int fd, int level, int option, void* value, socklen_t* size) override {
    return system_.GetSockOpt(fd, level, option, value, size);
  }
  std::ptrdiff_t SendMsg(int fd, const msghdr* message, int flags) override {
    if (fd == link_fd_) {
      return -EPERM;
    }
    return Takes(sends_refused) ? -send_error : system_.SendMsg(fd, message, flags);
  }
  int SendMmsg(int fd, mmsghdr* messages, unsigned count, int flags) override {
    return Takes(sends_refused) ? -send_error : system_.SendMmsg(fd, messages, count, flags);
  }
  std::ptrdiff_t RecvMsg(int fd, msghdr* message, int flags) override {
    return system_.RecvMsg(fd, message, flags);
  }
  int RecvMmsg(int fd, mmsghdr* messages, unsigned count, int flags) override {
    return system_.RecvMmsg(fd, messages, count, flags);
  }

 private:
  static bool Takes(std::atomic<int>& count) { return count.load() > 0 && count.fetch_sub(1) > 0; }

  io::SystemSyscalls system_;
  UniqueFd far_end_;
  int link_fd_ = -1;
  std::atomic<bool> is_deleted_{false};
};

}  // namespace adit::shard
