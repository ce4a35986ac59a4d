#pragma once

#include <sys/socket.h>

#include <cstdint>

#include "common/time.h"
#include "dataplane/io/gso_buffer_pause.h"
#include "dataplane/io/gso_send.h"
#include "dataplane/io/syscalls.h"
#include "dataplane/io/udp_sockets.h"

namespace adit::io {

// Sends the GSO queue's batches: one sendmsg with UDP_SEGMENT each, or, without GSO, sendmmsg. The
// path's source (IP_PKTINFO) and traffic class travel as control messages. Interrupted calls are
// repeated; every other error is the queue's to judge. A family without a socket answers
// EAFNOSUPPORT; a train for a socket without UDP_SEGMENT answers EIO, upon which the queue sends
// singly on that socket.
//
// Thread: the shard's only.
class UdpSender final : public BatchSender {
 public:
  // Borrows all three.
  UdpSender(Syscalls& syscalls, const UdpSockets& sockets, const Clock& clock)
      : syscalls_(syscalls), sockets_(sockets), pause_(clock) {}

  SendResult Send(const SendBatch& batch) override;
  bool PauseForBuffers(std::uint32_t attempt) override { return pause_.Pause(attempt); }

 private:
  SendResult SendWhole(const UdpSocket& socket, const SendBatch& batch, msghdr message);
  SendResult SendSingly(const UdpSocket& socket, const SendBatch& batch, const msghdr& message);

  Syscalls& syscalls_;
  const UdpSockets& sockets_;
  BufferPause pause_;
};

}  // namespace adit::io
