#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "dataplane/io/gso_send.h"
#include "dataplane/io/syscalls.h"
#include "dataplane/io/udp_socket.h"
#include "dataplane/packet/received_train.h"

namespace adit::io {

struct UdpReceiverCounters {
  std::uint64_t receives = 0;   // calls that gave something
  std::uint64_t trains = 0;     // of one datagram or more
  std::uint64_t datagrams = 0;  // in them
  std::uint64_t bytes = 0;
  std::uint64_t truncated = 0;  // drop reason kTruncated: it, or its control messages, did not fit
  std::uint64_t empty = 0;      // datagrams without payload: dropped, of no use to anybody
  std::uint64_t failures = 0;   // calls; the sum of the following
  std::array<std::uint64_t, GsoCounters::kErrnoCount> failures_by_errno{};  // [0]: unknown errnos
};

// Receives trains of datagrams from either socket with recvmmsg, into buffers that the constructor
// allocates: 64 KiB each, so that whatever UDP_GRO joins fits.
//
//   for (packet::ReceivedTrain& train : receiver.Receive(socket)) engine.HandleUdpTrain(train,
//   now); tun_writer.FlushDeliveries();  // before the next Receive: plaintext lies in the buffers
//
// Thread: the shard's only.
class UdpReceiver {
 public:
  explicit UdpReceiver(Syscalls& syscalls);
  ~UdpReceiver();
  UdpReceiver(const UdpReceiver&) = delete;
  UdpReceiver& operator=(const UdpReceiver&) = delete;

  // What waits, at most kMaxTrains; empty when nothing does or the call failed (counted; an error
  // that was pending on the socket is cleared by that). The bytes are the caller's to change, until
  // the next Receive from any socket. As many as kMaxTrains: more may wait.
  // The local source is what a reply should carry: the address the train was sent to; the interface
  // only with an IPv6 link-local address, since elsewhere the route may well leave by another.
  [[nodiscard]] std::span<const packet::ReceivedTrain> Receive(const UdpSocket& socket);

  [[nodiscard]] const UdpReceiverCounters& counters() const { return counters_; }

  static constexpr std::size_t kMaxTrains = 8;

 private:
  struct Slots;
  [[nodiscard]] bool ReadTrain(std::size_t slot, packet::ReceivedTrain& train);

  Syscalls& syscalls_;
  std::unique_ptr<Slots> slots_;
  std::array<packet::ReceivedTrain, kMaxTrains> trains_;
  UdpReceiverCounters counters_;
};

}  // namespace adit::io
