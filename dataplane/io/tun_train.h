#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "common/bytes.h"
#include "dataplane/io/virtio_header.h"
#include "dataplane/packet/super_packet.h"

namespace adit::io {

// What a packet must be to be merged, read from its headers. Whole TCP or UDP over IPv4 without
// options or IPv6 without extension headers; lengths that agree with the packet's; at least one
// byte of payload; TCP: ACK, and none of SYN, RST, URG and CWR; UDP: with a checksum.
struct TunSegment {
  bool is_v6 = false;
  bool is_tcp = false;
  bool ends_train = false;             // TCP with PSH or FIN
  std::uint16_t transport_offset = 0;  // 20 or 40
  std::uint16_t header_length = 0;     // IP and transport
  std::uint16_t payload_length = 0;    // > 0

  // nullopt: leaves as it is. Checksums are not looked at yet.
  [[nodiscard]] static std::optional<TunSegment> Of(ByteSpan packet);
};

// Consecutive packets of one flow that leave as a super-packet. Exactly what was put in comes out
// when packet::Splitter, or the kernel, cuts it again; but for the identification of IPv4 packets
// with DF, which means nothing (RFC 6864, 4.1) and may stay the same from packet to packet.
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

  // Starts with this packet, whose bytes are borrowed until the second one or Clear.
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
  // it, to be written at once. Call once.
  [[nodiscard]] ByteSpan Finish();
  // The same super-packet for packet::Splitter. After Finish.
  [[nodiscard]] packet::SuperPacket super_packet();

  // UDP_MAX_SEGMENTS before Linux 6.9: longer UDP trains are refused.
  static constexpr std::size_t kMaxUdpSegments = 64;

 private:
  [[nodiscard]] bool Continues(const TunSegment& segment, ByteSpan packet) const;
  [[nodiscard]] bool CopyVerified(const TunSegment& segment, ByteSpan packet, std::uint8_t* to);
  std::uint8_t* bytes() { return buffer_.get() + kVirtioHeaderSize; }

  std::unique_ptr<std::uint8_t[]> buffer_;  // virtio header, headers, payloads
  ByteSpan alone_;
  TunSegment first_;
  std::size_t count_ = 0;
  std::size_t size_ = 0;  // of the super-packet so far
  std::uint32_t next_sequence_ = 0;
  std::uint16_t id_step_ = 0;  // IPv4: what the identification grows by, known from the second on
  std::uint8_t last_flags_ = 0;
  bool is_complete_ = false;
  packet::OffloadHeader offload_;
};

}  // namespace adit::io
