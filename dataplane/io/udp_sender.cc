#include "dataplane/io/udp_sender.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "dataplane/io/control_messages.h"
#include "dataplane/io/gso_batch.h"

namespace adit::io {
namespace {

void AddSource(const packet::LocalSource& source, IpFamily family, ControlMessages& control) {
  if (source == packet::LocalSource{}) {
    return;
  }
  const ByteSpan address = source.address.bytes();
  if (family == IpFamily::kV6) {
    in6_pktinfo info{};
    if (source.address.is_v6()) {
      std::memcpy(&info.ipi6_addr, address.data(), address.size());
    }
    info.ipi6_ifindex = source.interface_index;
    control.Add(IPPROTO_IPV6, IPV6_PKTINFO, info);
  } else {
    in_pktinfo info{};
    if (source.address.is_v4()) {
      std::memcpy(&info.ipi_spec_dst, address.data(), address.size());
    }
    info.ipi_ifindex = static_cast<int>(source.interface_index);
    control.Add(IPPROTO_IP, IP_PKTINFO, info);
  }
}

void AddTrafficClass(std::uint8_t tos, IpFamily family, ControlMessages& control) {
  if (tos == 0) {
    return;
  }
  const int value = tos;
  if (family == IpFamily::kV6) {
    control.Add(IPPROTO_IPV6, IPV6_TCLASS, value);
  } else {
    control.Add(IPPROTO_IP, IP_TOS, value);
  }
}

iovec PartOf(ByteSpan bytes) {
  // sendmsg takes what it only reads as if it wrote it.
  return {const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
}

}  // namespace

SendResult UdpSender::Send(const SendBatch& batch) {
  const IpFamily family = batch.path.remote.address.family();
  const UdpSocket* socket = sockets_.Of(family);
  if (socket == nullptr) {
    return {0, EAFNOSUPPORT};
  }
  if (batch.use_gso && !socket->has_gso()) {
    return {0, EIO};
  }

  ControlMessages control;
  AddSource(batch.path.source, family, control);
  AddTrafficClass(batch.path.tos, family, control);
  if (batch.use_gso) {
    control.Add(IPPROTO_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(batch.segment_size));
  }
  sockaddr_storage remote{};
  msghdr message{};
  message.msg_namelen = batch.path.remote.ToSockaddr(remote);
  message.msg_name = &remote;
  message.msg_iovlen = 1;
  control.AttachTo(message);

  const bool is_one_call = batch.use_gso || batch.count == 1;
  return is_one_call ? SendWhole(*socket, batch, message) : SendSingly(*socket, batch, message);
}

SendResult UdpSender::SendWhole(const UdpSocket& socket, const SendBatch& batch, msghdr message) {
  iovec part = PartOf(batch.bytes);
  message.msg_iov = &part;
  const std::ptrdiff_t result =
      Uninterrupted([&] { return syscalls_.SendMsg(socket.fd(), &message, MSG_DONTWAIT); });
  return result < 0 ? SendResult{0, static_cast<int>(-result)} : SendResult{batch.count, 0};
}

SendResult UdpSender::SendSingly(const UdpSocket& socket, const SendBatch& batch,
                                 const msghdr& message) {
  std::array<iovec, kMaxSegmentsPerSend> parts;
  std::array<mmsghdr, kMaxSegmentsPerSend> messages;
  const std::uint32_t count = std::min(batch.count, kMaxSegmentsPerSend);
  for (std::uint32_t i = 0; i < count; ++i) {
    const ByteSpan rest = batch.bytes.subspan(std::size_t{i} * batch.segment_size);
    const bool is_last = i + 1 == batch.count;
    parts[i] = PartOf(is_last ? rest : rest.first(batch.segment_size));
    messages[i] = {.msg_hdr = message, .msg_len = 0};
    messages[i].msg_hdr.msg_iov = &parts[i];
  }
  const int result = Uninterrupted(
      [&] { return syscalls_.SendMmsg(socket.fd(), messages.data(), count, MSG_DONTWAIT); });
  // After some, the error of the next one is told when it is tried again.
  return result < 0 ? SendResult{0, -result} : SendResult{static_cast<std::uint32_t>(result), 0};
}

}  // namespace adit::io
