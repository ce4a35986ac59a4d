#pragma once

#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "common/ip_address.h"
#include "dataplane/io/control_messages.h"
#include "dataplane/io/syscalls.h"

// A kernel with a TUN and UDP sockets, made of lists: it does what it is asked, writes down every
// call as a line of text, and fails where a test says.
namespace adit::testing {

class FakeSyscalls : public io::Syscalls {
 public:
  using Bytes = std::vector<std::uint8_t>;

  // A datagram, or a train with its segment size, and what its control messages say.
  struct Datagram {
    Bytes bytes = {};
    Endpoint remote = {};
    std::optional<int> segment_size = {};
    IpAddress source = {};
    std::uint32_t interface_index = 0;
    std::optional<int> tos = {};
    int flags = 0;  // MSG_TRUNC, MSG_CTRUNC
  };

  // The next `times` calls whose text begins with `call` fail. "bind AF_INET " is not AF_INET6.
  void Fail(std::string call, int error, int times = 1) {
    faults_.push_back({std::move(call), error, times});
  }

  // Every call but read, write, and those for datagrams: "setsockopt UDP_GRO 1".
  std::vector<std::string> calls;
  [[nodiscard]] bool Saw(const std::string& call) const {
    return std::any_of(calls.begin(), calls.end(),
                       [&](const std::string& seen) { return seen.starts_with(call); });
  }

  // Of the TUN.
  std::string interface_name;
  int interface_flags = 0;
  int virtio_header_size = 0;

  std::deque<Bytes> to_read;       // what read gives, then EAGAIN
  std::vector<Bytes> written;      // what write and writev took
  std::vector<Datagram> sent;      // what sendmsg and sendmmsg took, in order
  std::vector<std::size_t> sends;  // how many of them each call took
  unsigned sendmmsg_takes = 1024;  // at most so many at a time
  std::deque<Datagram> to_receive;
  std::uint16_t next_free_port = 40001;
  std::map<int, int> socket_buffers = {{SO_RCVBUF, 425984}, {SO_SNDBUF, 425984}};

  int Open(const char* path, int) override {
    const int failed = Note(fmt::format("open {}", path));
    return failed != 0 ? failed : NewFd(0);
  }

  int Ioctl(int, unsigned long request, void* argument) override {
    if (const int failed = Note(fmt::format("ioctl {}", NameOf(request)))) return failed;
    auto* interface = static_cast<ifreq*>(argument);
    if (request == SIOCGIFINDEX) interface->ifr_ifindex = 7;
    if (request == TUNSETVNETHDRSZ) virtio_header_size = *static_cast<int*>(argument);
    if (request == TUNSETIFF) {
      interface_name = interface->ifr_name;
      interface_flags = interface->ifr_flags;
    }
    return 0;
  }
  int IoctlValue(int, unsigned long request, unsigned long argument) override {
    return Note(fmt::format("ioctl {} {:#x}", NameOf(request), argument));
  }

  std::ptrdiff_t Read(int, void* buffer, std::size_t size) override {
    if (const int failed = Fault("read")) return failed;
    if (to_read.empty()) return -EAGAIN;
    const Bytes bytes = to_read.front();
    to_read.pop_front();
    std::memcpy(buffer, bytes.data(), std::min(size, bytes.size()));
    return static_cast<std::ptrdiff_t>(bytes.size());
  }
  std::ptrdiff_t Write(int fd, const void* buffer, std::size_t size) override {
    const iovec part{const_cast<void*>(buffer), size};
    return Take("write", fd, &part, 1);
  }
  std::ptrdiff_t WriteV(int fd, const iovec* parts, int count) override {
    return Take("writev", fd, parts, count);
  }

  int Socket(int family, int, int) override {
    const int failed = Note(fmt::format("socket {}", FamilyName(family)));
    return failed != 0 ? failed : NewFd(family);
  }
  int Bind(int fd, const sockaddr* address, socklen_t size) override {
    sockaddr_storage storage{};
    std::memcpy(&storage, address, size);
    Endpoint own = *Endpoint::FromSockaddr(storage);
    const std::string family = FamilyName(families_[fd]);
    if (const int failed = Note(fmt::format("bind {} {}", family, own.port))) return failed;
    if (own.port == 0) own.port = next_free_port++;
    names_[fd] = own;
    return 0;
  }
  int GetSockName(int fd, sockaddr* address, socklen_t* size) override {
    if (const int failed = Note("getsockname")) return failed;
    sockaddr_storage storage{};
    *size = names_[fd].ToSockaddr(storage);
    std::memcpy(address, &storage, *size);
    return 0;
  }
  int SetSockOpt(int fd, int level, int option, const void* value, socklen_t) override {
    int number = 0;
    std::memcpy(&number, value, sizeof number);
    return Note(fmt::format("setsockopt {} {} {}", FamilyName(families_[fd]), NameOf(level, option),
                            number));
  }
  int GetSockOpt(int fd, int level, int option, void* value, socklen_t*) override {
    const int number = level == SOL_SOCKET ? socket_buffers[option] : 0;
    std::memcpy(value, &number, sizeof number);
    return Note(fmt::format("getsockopt {} {}", FamilyName(families_[fd]), NameOf(level, option)));
  }

  std::ptrdiff_t SendMsg(int fd, const msghdr* message, int) override {
    if (families_[fd] == AF_NETLINK) return AnswerLink(*message);
    if (const int failed = Fault("sendmsg")) return failed;
    sends.push_back(1);
    sent.push_back(Seen(*message));
    return static_cast<std::ptrdiff_t>(sent.back().bytes.size());
  }
  int SendMmsg(int, mmsghdr* messages, unsigned count, int) override {
    if (const int failed = Fault("sendmmsg")) return failed;
    const unsigned taken = std::min(count, sendmmsg_takes);
    for (unsigned i = 0; i < taken; ++i) sent.push_back(Seen(messages[i].msg_hdr));
    sends.push_back(taken);
    return static_cast<int>(taken);
  }

  std::ptrdiff_t RecvMsg(int, msghdr* message, int) override {
    if (const int failed = Fault("recvmsg")) return failed;
    std::memcpy(message->msg_iov[0].iov_base, link_answer_.data(), link_answer_.size());
    return static_cast<std::ptrdiff_t>(link_answer_.size());
  }
  int RecvMmsg(int, mmsghdr* messages, unsigned count, int) override {
    if (const int failed = Fault("recvmmsg")) return failed;
    if (to_receive.empty()) return -EAGAIN;
    int given = 0;
    for (; given < static_cast<int>(count) && !to_receive.empty(); ++given) {
      Give(to_receive.front(), messages[given]);
      to_receive.pop_front();
    }
    return given;
  }

 private:
  struct FaultRule {
    std::string call;
    int error = 0;
    int times = 0;
  };

  // 0, or -errno.
  int Fault(const std::string& call) {
    for (FaultRule& rule : faults_) {
      if (rule.times > 0 && call.starts_with(rule.call)) {
        --rule.times;
        return -rule.error;
      }
    }
    return 0;
  }
  int Note(const std::string& call) {
    calls.push_back(call);
    return Fault(call);
  }
  // A descriptor that may be closed and polled.
  int NewFd(int family) {
    const int fd = ::eventfd(0, EFD_CLOEXEC);
    families_[fd] = family;
    return fd;
  }

  std::ptrdiff_t Take(const char* call, int, const iovec* parts, int count) {
    if (const int failed = Fault(call)) return failed;
    Bytes bytes;
    for (int i = 0; i < count; ++i) {
      const auto* begin = static_cast<const std::uint8_t*>(parts[i].iov_base);
      bytes.insert(bytes.end(), begin, begin + parts[i].iov_len);
    }
    written.push_back(bytes);
    return static_cast<std::ptrdiff_t>(bytes.size());
  }

  // "rtnetlink IFLA_GSO_MAX_SEGS 128", answered as the kernel does.
  std::ptrdiff_t AnswerLink(const msghdr& message) {
    const auto* bytes = static_cast<const std::uint8_t*>(message.msg_iov[0].iov_base);
    const auto attribute = LoadNative<rtattr>(bytes + NLMSG_SPACE(sizeof(ifinfomsg)));
    const auto value =
        LoadNative<std::uint32_t>(bytes + NLMSG_SPACE(sizeof(ifinfomsg)) + RTA_LENGTH(0));
    const char* name = attribute.rta_type == IFLA_TXQLEN         ? "IFLA_TXQLEN"
                       : attribute.rta_type == IFLA_GSO_MAX_SEGS ? "IFLA_GSO_MAX_SEGS"
                                                                 : "?";
    const std::int32_t error = Note(fmt::format("rtnetlink {} {}", name, value));
    link_answer_.assign(NLMSG_LENGTH(sizeof(nlmsgerr)), 0);
    nlmsghdr header{};
    header.nlmsg_len = static_cast<std::uint32_t>(link_answer_.size());
    header.nlmsg_type = NLMSG_ERROR;
    std::memcpy(link_answer_.data(), &header, sizeof header);
    std::memcpy(&link_answer_[NLMSG_HDRLEN], &error, sizeof error);
    return static_cast<std::ptrdiff_t>(message.msg_iov[0].iov_len);
  }

  static Datagram Seen(const msghdr& given) {
    msghdr message = given;
    Datagram seen;
    const auto* begin = static_cast<const std::uint8_t*>(message.msg_iov[0].iov_base);
    seen.bytes.assign(begin, begin + message.msg_iov[0].iov_len);
    sockaddr_storage remote{};
    std::memcpy(&remote, message.msg_name, message.msg_namelen);
    seen.remote = *Endpoint::FromSockaddr(remote);
    io::ForEachControlMessage(
        message, [&](int level, int type, const std::uint8_t* data, std::size_t) {
          if (level == IPPROTO_UDP && type == UDP_SEGMENT) {
            seen.segment_size = LoadNative<std::uint16_t>(data);
          } else if (level == IPPROTO_IP && type == IP_PKTINFO) {
            const auto info = LoadNative<in_pktinfo>(data);
            seen.source = IpAddress::V4(reinterpret_cast<const std::uint8_t*>(&info.ipi_spec_dst));
            seen.interface_index = static_cast<std::uint32_t>(info.ipi_ifindex);
          } else if (level == IPPROTO_IPV6 && type == IPV6_PKTINFO) {
            const auto info = LoadNative<in6_pktinfo>(data);
            seen.source = IpAddress::V6(info.ipi6_addr.s6_addr);
            seen.interface_index = info.ipi6_ifindex;
          } else if ((level == IPPROTO_IP && type == IP_TOS) ||
                     (level == IPPROTO_IPV6 && type == IPV6_TCLASS)) {
            seen.tos = LoadNative<int>(data);
          }
        });
    return seen;
  }

  static void Give(const Datagram& datagram, mmsghdr& message) {
    io::ControlMessages control;
    if (datagram.segment_size) control.Add(IPPROTO_UDP, UDP_GRO, *datagram.segment_size);
    if (datagram.source.is_v4()) {
      in_pktinfo info{};
      std::memcpy(&info.ipi_spec_dst, datagram.source.bytes().data(), 4);
      info.ipi_ifindex = static_cast<int>(datagram.interface_index);
      control.Add(IPPROTO_IP, IP_PKTINFO, info);
    } else if (datagram.source.is_v6()) {
      in6_pktinfo info{};
      std::memcpy(&info.ipi6_addr, datagram.source.bytes().data(), 16);
      info.ipi6_ifindex = datagram.interface_index;
      control.Add(IPPROTO_IPV6, IPV6_PKTINFO, info);
    }
    if (datagram.tos && datagram.remote.address.is_v6()) {
      control.Add(IPPROTO_IPV6, IPV6_TCLASS, *datagram.tos);
    } else if (datagram.tos) {
      control.Add(IPPROTO_IP, IP_TOS, static_cast<std::uint8_t>(*datagram.tos));
    }
    msghdr& header = message.msg_hdr;
    msghdr written{};
    control.AttachTo(written);
    if (written.msg_controllen != 0) {
      std::memcpy(header.msg_control, written.msg_control, written.msg_controllen);
    }
    header.msg_controllen = written.msg_controllen;
    header.msg_flags = datagram.flags;
    auto& remote = *static_cast<sockaddr_storage*>(header.msg_name);
    header.msg_namelen = datagram.remote.ToSockaddr(remote);
    const std::size_t size = std::min(header.msg_iov[0].iov_len, datagram.bytes.size());
    std::copy_n(datagram.bytes.data(), size,
                static_cast<std::uint8_t*>(header.msg_iov[0].iov_base));
    message.msg_len = static_cast<unsigned>(size);
  }

  static std::string NameOf(unsigned long request) {
    switch (request) {
      case TUNSETIFF:
        return "TUNSETIFF";
      case TUNSETVNETHDRSZ:
        return "TUNSETVNETHDRSZ";
      case TUNSETOFFLOAD:
        return "TUNSETOFFLOAD";
      case TUNSETPERSIST:
        return "TUNSETPERSIST";
      case SIOCGIFINDEX:
        return "SIOCGIFINDEX";
      default:
        return fmt::format("{:#x}", request);
    }
  }
  static std::string NameOf(int level, int option) {
    static const std::map<std::pair<int, int>, const char*> kNames = {
        {{SOL_SOCKET, SO_MARK}, "SO_MARK"},
        {{SOL_SOCKET, SO_RCVBUF}, "SO_RCVBUF"},
        {{SOL_SOCKET, SO_SNDBUF}, "SO_SNDBUF"},
        {{SOL_SOCKET, SO_RCVBUFFORCE}, "SO_RCVBUFFORCE"},
        {{SOL_SOCKET, SO_SNDBUFFORCE}, "SO_SNDBUFFORCE"},
        {{IPPROTO_IP, IP_PKTINFO}, "IP_PKTINFO"},
        {{IPPROTO_IP, IP_RECVTOS}, "IP_RECVTOS"},
        {{IPPROTO_IP, IP_MTU_DISCOVER}, "IP_MTU_DISCOVER"},
        {{IPPROTO_IPV6, IPV6_V6ONLY}, "IPV6_V6ONLY"},
        {{IPPROTO_IPV6, IPV6_RECVPKTINFO}, "IPV6_RECVPKTINFO"},
        {{IPPROTO_IPV6, IPV6_RECVTCLASS}, "IPV6_RECVTCLASS"},
        {{IPPROTO_IPV6, IPV6_MTU_DISCOVER}, "IPV6_MTU_DISCOVER"},
        {{IPPROTO_UDP, UDP_SEGMENT}, "UDP_SEGMENT"},
        {{IPPROTO_UDP, UDP_GRO}, "UDP_GRO"},
    };
    const auto found = kNames.find({level, option});
    return found != kNames.end() ? found->second : fmt::format("{}/{}", level, option);
  }
  static std::string FamilyName(int family) {
    return family == AF_INET      ? "AF_INET"
           : family == AF_INET6   ? "AF_INET6"
           : family == AF_NETLINK ? "AF_NETLINK"
                                  : "AF_UNSPEC";
  }

  std::vector<FaultRule> faults_;
  std::map<int, int> families_;
  std::map<int, Endpoint> names_;
  Bytes link_answer_;
};

}  // namespace adit::testing
