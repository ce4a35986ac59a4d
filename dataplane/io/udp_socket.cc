#include "dataplane/io/udp_socket.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "common/status.h"
#include "dataplane/io/remedy_status.h"
#include "dataplane/io/udp_steering.h"

namespace adit::io {
namespace {

const char* NameOf(IpFamily family) { return family == IpFamily::kV6 ? "IPv6" : "IPv4"; }

absl::Status BindError(int error, IpFamily family, std::uint16_t port) {
  const std::string what = fmt::format("bind {} UDP port {}", NameOf(family), port);
  switch (error) {
    case EADDRINUSE:
      return ErrnoStatusWithRemedy(error, what,
                                   fmt::format("another program has it (ss -ulpn 'sport = {}'): "
                                               "stop that, choose another --listen-port, or 0 for "
                                               "any free one",
                                               port));
    case EACCES:
    case EPERM:
      return ErrnoStatusWithRemedy(
          error, what, "ports below 1024 need CAP_NET_BIND_SERVICE: choose a higher --listen-port");
    default:
      return ErrnoStatus(error, what);
  }
}

}  // namespace

absl::StatusOr<UdpSocket> UdpSocket::Open(Syscalls& syscalls, IpFamily family,
                                          const UdpOptions& options) {
  return OpenOne(syscalls, family, options, false);
}

absl::StatusOr<std::vector<UdpSocket>> UdpSocket::OpenGroup(
    Syscalls& syscalls, IpFamily family, const UdpOptions& options, std::size_t count,
    std::span<const packet::SteeringByte> steering) {
  std::vector<UdpSocket> group;
  ASSIGN_OR_RETURN(UdpSocket first, OpenOne(syscalls, family, options, false));
  group.push_back(std::move(first));
  if (count == 1) {
    return group;
  }
  UdpOptions others = options;
  others.port = group.front().port();
  RETURN_IF_ERROR(group.front().SetOption(SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT"));
  while (group.size() < count) {
    ASSIGN_OR_RETURN(UdpSocket next, OpenOne(syscalls, family, others, true));
    group.push_back(std::move(next));
  }
  RETURN_IF_ERROR(SteerGroup(syscalls, group.front().fd(), steering));
  return group;
}

absl::StatusOr<UdpSocket> UdpSocket::OpenOne(Syscalls& syscalls, IpFamily family,
                                             const UdpOptions& options, bool joins_group) {
  UdpSocket socket(syscalls, family);
  const int fd = syscalls.Socket(family == IpFamily::kV6 ? AF_INET6 : AF_INET,
                                 SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
  if (fd < 0) {
    return ErrnoStatus(-fd, fmt::format("open an {} UDP socket", NameOf(family)));
  }
  socket.fd_.Reset(fd);
  RETURN_IF_ERROR(socket.Configure(options));
  RETURN_IF_ERROR(socket.EnableOffloads(options));
  socket.EnlargeBuffers(SO_RCVBUFFORCE, SO_RCVBUF, "net.core.rmem_max", options.buffer_bytes);
  socket.EnlargeBuffers(SO_SNDBUFFORCE, SO_SNDBUF, "net.core.wmem_max", options.buffer_bytes);
  // Never of a first or only one: a second process would take a part of the datagrams instead of
  // failing to bind.
  if (joins_group) {
    RETURN_IF_ERROR(socket.SetOption(SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT"));
  }
  RETURN_IF_ERROR(socket.BindTo(options.port));
  return socket;
}

absl::Status UdpSocket::SetOption(int level, int option, int value, const char* name) {
  const int result = syscalls_->SetSockOpt(fd_.get(), level, option, &value, sizeof value);
  return ErrnoStatus(-result, fmt::format("set {} of the {} UDP socket", name, NameOf(family_)));
}

absl::Status UdpSocket::Configure(const UdpOptions& options) {
  if (family_ == IpFamily::kV6) {
    RETURN_IF_ERROR(SetOption(IPPROTO_IPV6, IPV6_V6ONLY, 1, "IPV6_V6ONLY"));
    RETURN_IF_ERROR(SetOption(IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, "IPV6_RECVPKTINFO"));
    RETURN_IF_ERROR(SetOption(IPPROTO_IPV6, IPV6_RECVTCLASS, 1, "IPV6_RECVTCLASS"));
    RETURN_IF_ERROR(
        SetOption(IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT, "IPV6_MTU_DISCOVER"));
  } else {
    RETURN_IF_ERROR(SetOption(IPPROTO_IP, IP_PKTINFO, 1, "IP_PKTINFO"));
    RETURN_IF_ERROR(SetOption(IPPROTO_IP, IP_RECVTOS, 1, "IP_RECVTOS"));
    RETURN_IF_ERROR(SetOption(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT, "IP_MTU_DISCOVER"));
  }
  return options.mark == 0 ? absl::OkStatus() : SetMark(options.mark);
}

absl::Status UdpSocket::SetMark(std::uint32_t mark) {
  const int result = syscalls_->SetSockOpt(fd_.get(), SOL_SOCKET, SO_MARK, &mark, sizeof mark);
  if (result == 0) {
    return absl::OkStatus();
  }
  const std::string what =
      fmt::format("set the mark {:#x} of the {} UDP socket", mark, NameOf(family_));
  return result == -EPERM ? ErrnoStatusWithRemedy(EPERM, what, "it needs CAP_NET_ADMIN")
                          : ErrnoStatus(-result, what);
}

absl::Status UdpSocket::EnableOffloads(const UdpOptions& options) {
  const auto settle = [this](OffloadSwitch wanted, int error, const char* name,
                             const char* cost) -> absl::Status {
    if (error == 0) {
      return absl::OkStatus();
    }
    if (wanted == OffloadSwitch::kOn) {
      return ErrnoStatusWithRemedy(
          error, fmt::format("enable {} on the {} UDP socket", name, NameOf(family_)),
          "the kernel does not have it: use auto to do without");
    }
    limitations_.push_back(fmt::format("{} on the {} UDP socket: {}: {}", name, NameOf(family_),
                                       MessageOf(ErrnoStatus(error, "refused")), cost));
    return absl::OkStatus();
  };
  if (options.gso != OffloadSwitch::kOff) {
    int segment_size = 0;
    socklen_t size = sizeof segment_size;
    const int error =
        -syscalls_->GetSockOpt(fd_.get(), IPPROTO_UDP, UDP_SEGMENT, &segment_size, &size);
    RETURN_IF_ERROR(
        settle(options.gso, error, "UDP_SEGMENT", "sending costs several times the CPU"));
    has_gso_ = error == 0;
  }
  if (options.gro != OffloadSwitch::kOff) {
    const int one = 1;
    const int error = -syscalls_->SetSockOpt(fd_.get(), IPPROTO_UDP, UDP_GRO, &one, sizeof one);
    RETURN_IF_ERROR(settle(options.gro, error, "UDP_GRO", "receiving costs twice the CPU"));
    has_gro_ = error == 0;
  }
  return absl::OkStatus();
}

void UdpSocket::EnlargeBuffers(int forced_option, int option, const char* limit_name,
                               std::uint32_t bytes) {
  const int wanted = static_cast<int>(bytes);
  const auto set = [&](int which) {
    return syscalls_->SetSockOpt(fd_.get(), SOL_SOCKET, which, &wanted, sizeof wanted);
  };
  if (set(forced_option) == 0) {
    return;
  }
  // Without the capability the kernel grants what its limit allows, and says nothing.
  const int refused = set(option);
  int granted = 0;
  socklen_t size = sizeof granted;
  const int unread = syscalls_->GetSockOpt(fd_.get(), SOL_SOCKET, option, &granted, &size);
  const bool is_enough = refused == 0 && unread == 0 && granted / 2 >= wanted;  // it doubles
  if (is_enough) {
    return;
  }
  limitations_.push_back(
      fmt::format("the {} UDP socket buffers {} bytes instead of {}: bursts are lost; raise {}",
                  NameOf(family_), granted / 2, wanted, limit_name));
}

absl::Status UdpSocket::BindTo(std::uint16_t port) {
  sockaddr_storage address{};
  socklen_t size = 0;
  if (family_ == IpFamily::kV6) {
    auto& any = reinterpret_cast<sockaddr_in6&>(address);
    any.sin6_family = AF_INET6;
    any.sin6_port = htons(port);
    size = sizeof any;
  } else {
    auto& any = reinterpret_cast<sockaddr_in&>(address);
    any.sin_family = AF_INET;
    any.sin_port = htons(port);
    size = sizeof any;
  }
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  const int bound = syscalls_->Bind(fd_.get(), generic, size);
  if (bound < 0) {
    return BindError(-bound, family_, port);
  }
  size = sizeof address;
  const int named = syscalls_->GetSockName(fd_.get(), generic, &size);
  if (named < 0) {
    return ErrnoStatus(-named, "read the UDP port");
  }
  const auto own = Endpoint::FromSockaddr(address);
  if (!own) {
    return Internal("the UDP socket's own name is of another family");
  }
  port_ = own->port;
  return absl::OkStatus();
}

}  // namespace adit::io
