#include "dataplane/io/syscalls.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

namespace adit::io {
namespace {

template <typename T>
T ResultOrErrno(T result) {
  return result < 0 ? static_cast<T>(-errno) : result;
}

}  // namespace

int SystemSyscalls::Open(const char* path, int flags) { return ResultOrErrno(::open(path, flags)); }

int SystemSyscalls::Ioctl(int fd, unsigned long request, void* argument) {
  return ResultOrErrno(::ioctl(fd, request, argument));
}

int SystemSyscalls::IoctlValue(int fd, unsigned long request, unsigned long argument) {
  return ResultOrErrno(::ioctl(fd, request, argument));
}

std::ptrdiff_t SystemSyscalls::Read(int fd, void* buffer, std::size_t size) {
  return ResultOrErrno(::read(fd, buffer, size));
}

std::ptrdiff_t SystemSyscalls::Write(int fd, const void* buffer, std::size_t size) {
  return ResultOrErrno(::write(fd, buffer, size));
}

std::ptrdiff_t SystemSyscalls::WriteV(int fd, const iovec* parts, int count) {
  return ResultOrErrno(::writev(fd, parts, count));
}

int SystemSyscalls::Socket(int family, int type, int protocol) {
  return ResultOrErrno(::socket(family, type, protocol));
}

int SystemSyscalls::Bind(int fd, const sockaddr* address, socklen_t size) {
  return ResultOrErrno(::bind(fd, address, size));
}

int SystemSyscalls::GetSockName(int fd, sockaddr* address, socklen_t* size) {
  return ResultOrErrno(::getsockname(fd, address, size));
}

int SystemSyscalls::SetSockOpt(int fd, int level, int option, const void* value, socklen_t size) {
  return ResultOrErrno(::setsockopt(fd, level, option, value, size));
}

int SystemSyscalls::GetSockOpt(int fd, int level, int option, void* value, socklen_t* size) {
  return ResultOrErrno(::getsockopt(fd, level, option, value, size));
}

std::ptrdiff_t SystemSyscalls::SendMsg(int fd, const msghdr* message, int flags) {
  return ResultOrErrno(::sendmsg(fd, message, flags));
}

int SystemSyscalls::SendMmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  return ResultOrErrno(::sendmmsg(fd, messages, count, flags));
}

std::ptrdiff_t SystemSyscalls::RecvMsg(int fd, msghdr* message, int flags) {
  return ResultOrErrno(::recvmsg(fd, message, flags));
}

int SystemSyscalls::RecvMmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  return ResultOrErrno(::recvmmsg(fd, messages, count, flags, nullptr));
}

}  // namespace adit::io
