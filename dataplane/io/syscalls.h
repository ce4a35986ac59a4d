#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace adit::io {

// The system calls that this folder makes, one virtual each, so that a test can let any of them
// fail with any errno. Each returns what the call returns, or -errno instead of -1 and errno. None
// of them repeats an interrupted call (EINTR): callers decide.
//
// Thread: any; the real one has no state.
class Syscalls {
 public:
  virtual ~Syscalls() = default;

  virtual int Open(const char* path, int flags) = 0;
  // The argument is a structure that is read and written.
  virtual int Ioctl(int fd, unsigned long request, void* argument) = 0;
  // The argument is the number itself.
  virtual int IoctlValue(int fd, unsigned long request, unsigned long argument) = 0;
  virtual std::ptrdiff_t Read(int fd, void* buffer, std::size_t size) = 0;
  virtual std::ptrdiff_t Write(int fd, const void* buffer, std::size_t size) = 0;
  virtual std::ptrdiff_t WriteV(int fd, const iovec* parts, int count) = 0;

  virtual int Socket(int family, int type, int protocol) = 0;
  virtual int Bind(int fd, const sockaddr* address, socklen_t size) = 0;
  virtual int GetSockName(int fd, sockaddr* address, socklen_t* size) = 0;
  virtual int SetSockOpt(int fd, int level, int option, const void* value, socklen_t size) = 0;
  virtual int GetSockOpt(int fd, int level, int option, void* value, socklen_t* size) = 0;
  virtual std::ptrdiff_t SendMsg(int fd, const msghdr* message, int flags) = 0;
  virtual int SendMmsg(int fd, mmsghdr* messages, unsigned count, int flags) = 0;
  virtual std::ptrdiff_t RecvMsg(int fd, msghdr* message, int flags) = 0;
  virtual int RecvMmsg(int fd, mmsghdr* messages, unsigned count, int flags) = 0;
};

// Repeats an interrupted call until it is not.
template <typename Call>
auto Uninterrupted(Call call) {
  for (;;) {
    const auto result = call();
    if (result != -EINTR) {
      return result;
    }
  }
}

class SystemSyscalls final : public Syscalls {
 public:
  int Open(const char* path, int flags) override;
  int Ioctl(int fd, unsigned long request, void* argument) override;
  int IoctlValue(int fd, unsigned long request, unsigned long argument) override;
  std::ptrdiff_t Read(int fd, void* buffer, std::size_t size) override;
  std::ptrdiff_t Write(int fd, const void* buffer, std::size_t size) override;
  std::ptrdiff_t WriteV(int fd, const iovec* parts, int count) override;
  int Socket(int family, int type, int protocol) override;
  int Bind(int fd, const sockaddr* address, socklen_t size) override;
  int GetSockName(int fd, sockaddr* address, socklen_t* size) override;
  int SetSockOpt(int fd, int level, int option, const void* value, socklen_t size) override;
  int GetSockOpt(int fd, int level, int option, void* value, socklen_t* size) override;
  std::ptrdiff_t SendMsg(int fd, const msghdr* message, int flags) override;
  int SendMmsg(int fd, mmsghdr* messages, unsigned count, int flags) override;
  std::ptrdiff_t RecvMsg(int fd, msghdr* message, int flags) override;
  int RecvMmsg(int fd, mmsghdr* messages, unsigned count, int flags) override;
};

}  // namespace adit::io
