#pragma once

#include <cstddef>
#include <cstdint>

#include "common/bytes.h"
#include "common/ip_address.h"

// The seam between the engine, which writes and seals datagrams, and the GSO queue, which gathers
// and sends them. The engine writes straight into the queue's buffers: reserve, seal, commit.
namespace adit::packet {

// The local address a datagram leaves from, and the interface: what IP_PKTINFO carries. Not set:
// the kernel chooses.
struct LocalSource {
  IpAddress address;
  std::uint32_t interface_index = 0;
  // Where what was sent to the address came in: decides which route events concern it (R15). No
  // part of what is sent, and so none of what is compared.
  std::uint32_t arrived_on = 0;
  friend bool operator==(const LocalSource& a, const LocalSource& b) {
    return a.address == b.address && a.interface_index == b.interface_index;
  }
};

// Where a datagram goes and how it is marked: the attributes of a batch.
struct DatagramPath {
  Endpoint remote;
  LocalSource source;
  std::uint8_t tos = 0;  // DSCP in the upper 6 bits, ECN in the lower 2
  friend bool operator==(const DatagramPath&, const DatagramPath&) = default;
};

// A run of equal datagrams and at most one shorter last, of one inner flow.
struct TrainRequest {
  std::uint32_t peer = 0;          // order domain: the engine's peer slot, < kMaxPeers
  std::uint32_t flow_hash = 0;     // of the inner flow; equal flows have equal hashes
  std::uint32_t segment_size = 0;  // bytes of each datagram but perhaps the last
  std::uint32_t count = 0;         // datagrams, the last included; >= 1
  std::uint32_t last_size = 0;     // bytes of the last, <= segment_size
};

// What was granted: a contiguous span for `count` datagrams laid out at segment_size; the last of
// them is last_size long only when count equals the request's (the short end comes only at the end
// of the whole train). Empty span: no room now; nothing was changed.
struct Reservation {
  MutableByteSpan bytes;
  std::uint32_t count = 0;
  [[nodiscard]] bool granted() const { return count != 0; }
};

// Who asks: traffic read from TUN may use all room down to nothing (the reader checked the reserve
// first); slow-path data (staged packets, keepalives, ICMP errors) is refused when it would take
// the room that one worst super-packet needs.
enum class SendClass : std::uint8_t { kFromTun, kSlowPath };

// Control datagrams in the order in which they are given up when the control lane is full: cookie
// replies go first.
enum class ControlKind : std::uint8_t { kCookieReply, kHandshake };

class DatagramSink {
 public:
  virtual ~DatagramSink() = default;

  // At most one reservation is outstanding. It ends with Commit or Rollback.
  [[nodiscard]] virtual Reservation ReserveTrain(const TrainRequest& request,
                                                 const DatagramPath& path,
                                                 SendClass send_class) = 0;
  // Everything granted is sealed and shall be sent.
  virtual void Commit() = 0;
  // The queue is exactly as before the reservation.
  virtual void Rollback() = 0;

  // Copies one control datagram (at most 256 bytes) into the control lane, which leaves before
  // data. False: the lane is full and it was dropped; the caller counts kControlLaneFull.
  virtual bool SendControl(ByteSpan datagram, const DatagramPath& path, ControlKind kind) = 0;

  // The peer's endpoint changed: what is queued to the old one leaves before what follows.
  virtual void StartEpoch(std::uint32_t peer) = 0;

  // The peer lost a right, or ceased to be: what waits for it is not sent. Control datagrams and
  // other peers' are not touched. Returns the number of datagrams.
  virtual std::uint32_t Discard(std::uint32_t peer) = 0;
};

}  // namespace adit::packet
