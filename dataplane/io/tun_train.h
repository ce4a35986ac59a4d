#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "common/bytes.h"
#include "dataplane/io/tun_segment.h"
#include "dataplane/io/virtio_header.h"
#include "dataplane/packet/super_packet.h"

namespace adit::io {

// Consecutive packets of one flow that leave as a super-packet. Exactly what was put in comes out
// when packet::Splitter, or the kernel, cuts it again; but for the identification of IPv4 packets
// with DF, which means nothing (RFC 6864, 4.1): where it stays the same from packet to packet, it
// counts up afterwards.
//
// A packet joins when it is of the same flow, its IP and transport headers equal the train's in all
// but what a split writes anew, its sequence number (TCP) and identification (IPv4) are the next,
// it is not longer than the packets before, and all checksums are right. A shorter packet, PSH and
// FIN end the train. A change of DSCP, ECN, TTL, acknowledgement, window or options does not join.
//
// One packet alone is only borrowed; the second one copies both.
class TunTrain {
 public:
  TunTrain();

  // Starts with this packet, which does not end a train. It is borrowed until the second one.
  void Start(const TunSegment& segment, ByteSpan packet);
  // False: it does not join; nothing was changed.
  [[nodiscard]] bool Join(const TunSegment& segment, ByteSpan packet);

  [[nodiscard]] bool is_tcp() const { return first_.is_tcp; }
  [[nodiscard]] std::size_t count() const { return count_; }
  // Nothing joins any more.
  [[nodiscard]] bool is_complete() const { return is_complete_; }

  // Of a train of one: the packet as it came.
  [[nodiscard]] ByteSpan packet() const { return alone_; }
  // Of a longer one: writes the headers, and returns the virtio header and the super-packet behind
  // it, to be written at once.
  [[nodiscard]] ByteSpan Finish();
  // The same super-packet for packet::Splitter. After Finish.
  [[nodiscard]] packet::SuperPacket super_packet() { return {{bytes(), size_}, offload_}; }

  // UDP_MAX_SEGMENTS before Linux 6.9: longer UDP trains are refused.
  static constexpr std::size_t kMaxUdpSegments = 64;

 private:
  [[nodiscard]] bool Continues(const TunSegment& segment, ByteSpan packet) const;
  std::uint8_t* bytes() { return buffer_.get() + kVirtioHeaderSize; }

  std::unique_ptr<std::uint8_t[]> buffer_;  // virtio header, IP and transport headers, payloads
  ByteSpan alone_;                          // the first packet while it is the only one
  TunSegment first_;
  std::size_t count_ = 0;
  std::size_t size_ = 0;             // of the super-packet
  std::uint32_t next_sequence_ = 0;  // of TCP
  std::uint16_t next_id_ = 0;        // of IPv4, from the second packet on
  std::uint16_t id_step_ = 0;        // 0 or 1, likewise
  std::uint8_t end_flags_ = 0;       // PSH and FIN of the last
  bool is_complete_ = false;
  packet::OffloadHeader offload_;
};

}  // namespace adit::io
