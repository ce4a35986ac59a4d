#include "dataplane/io/tun_train.h"

#include <cassert>
#include <cstring>

#include "dataplane/packet/checksum.h"
#include "dataplane/packet/ip_packet.h"

namespace adit::io {
namespace {

constexpr std::uint8_t kEndFlags = 0x01 | 0x08;  // FIN and PSH
constexpr std::uint8_t kDontFragment = 0x40;
constexpr std::uint16_t kSumOfValid = 0xffff;

bool AreEqual(const std::uint8_t* a, const std::uint8_t* b, std::size_t begin, std::size_t end) {
  return std::memcmp(a + begin, b + begin, end - begin) == 0;
}

// All but length, identification and checksum.
bool HaveEqualIpHeaders(const std::uint8_t* a, const std::uint8_t* b, bool is_v6) {
  return is_v6 ? AreEqual(a, b, 0, 4) && AreEqual(a, b, 6, 40)
               : AreEqual(a, b, 0, 2) && AreEqual(a, b, 6, 10) && AreEqual(a, b, 12, 20);
}

// Ports, acknowledgement, reserved bits, window and options; flags but for those of the end.
bool HaveEqualTcpHeaders(const std::uint8_t* a, const std::uint8_t* b, std::size_t size) {
  return AreEqual(a, b, 0, 4) && AreEqual(a, b, 8, 13) && ((a[13] ^ b[13]) & ~kEndFlags) == 0 &&
         AreEqual(a, b, 14, 16) && AreEqual(a, b, 18, size);
}

std::uint8_t ProtocolOf(const TunSegment& segment) {
  return segment.is_tcp ? packet::kProtocolTcp : packet::kProtocolUdp;
}

// Copies the payload and tells whether all checksums of the packet are right.
bool CopyVerified(const TunSegment& segment, ByteSpan packet, std::uint8_t* to) {
  const bool is_ip_right =
      segment.is_v6 || packet::Fold(packet::SumBytes(packet.first(20))) == kSumOfValid;
  if (!is_ip_right) {
    return false;
  }
  const std::size_t transport = segment.transport_offset;
  const std::uint64_t headers = packet::SumBytes(
      packet.subspan(transport, segment.header_length - transport),
      packet::SumPseudoHeader(packet.data(), segment.is_v6, ProtocolOf(segment),
                              static_cast<std::uint32_t>(packet.size() - transport)));
  return packet::Fold(packet::CopyAndSumBytes(packet.subspan(segment.header_length), to,
                                              headers)) == kSumOfValid;
}

}  // namespace

TunTrain::TunTrain()
    : buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(kVirtioHeaderSize +
                                                             packet::kMaxSuperPacketSize)) {}

void TunTrain::Start(const TunSegment& segment, ByteSpan packet) {
  assert(!segment.ends_train);
  alone_ = packet;
  first_ = segment;
  count_ = 1;
  size_ = packet.size();
  end_flags_ = 0;
  is_complete_ = false;
  if (segment.is_tcp) {
    next_sequence_ =
        LoadBe32(packet.data() + segment.transport_offset + 4) + segment.payload_length;
  }
}

bool TunTrain::Continues(const TunSegment& segment, ByteSpan packet) const {
  const std::size_t max_count = first_.is_tcp ? packet::kMaxSegments : kMaxUdpSegments;
  const bool has_same_form = segment.is_v6 == first_.is_v6 && segment.is_tcp == first_.is_tcp &&
                             segment.header_length == first_.header_length;
  const bool has_room = !is_complete_ && count_ < max_count &&
                        segment.payload_length <= first_.payload_length &&
                        size_ + segment.payload_length <= packet::kMaxSuperPacketSize;
  if (!has_same_form || !has_room) {
    return false;
  }

  const std::uint8_t* ours = count_ == 1 ? alone_.data() : buffer_.get() + kVirtioHeaderSize;
  const std::uint8_t* theirs = packet.data();
  if (!HaveEqualIpHeaders(ours, theirs, first_.is_v6)) {
    return false;
  }
  if (!first_.is_v6) {
    const auto grown_by = static_cast<std::uint16_t>(LoadBe16(theirs + 4) - LoadBe16(ours + 4));
    const bool may_stay = (theirs[6] & kDontFragment) != 0;
    const bool is_next_id = count_ == 1 ? grown_by == 1 || (grown_by == 0 && may_stay)
                                        : LoadBe16(theirs + 4) == next_id_;
    if (!is_next_id) {
      return false;
    }
  }
  const std::size_t at = first_.transport_offset;
  if (!first_.is_tcp) {
    return AreEqual(ours, theirs, at, at + 4);
  }
  return LoadBe32(theirs + at + 4) == next_sequence_ &&
         HaveEqualTcpHeaders(ours + at, theirs + at, first_.header_length - at);
}

bool TunTrain::Join(const TunSegment& segment, ByteSpan packet) {
  if (!Continues(segment, packet)) {
    return false;
  }
  if (!CopyVerified(segment, packet, bytes() + size_)) {
    return false;
  }
  if (count_ == 1) {
    if (!CopyVerified(first_, alone_, bytes() + first_.header_length)) {
      return false;
    }
    std::memcpy(bytes(), alone_.data(), first_.header_length);
    alone_ = {};
    if (!first_.is_v6) {
      id_step_ = static_cast<std::uint16_t>(LoadBe16(packet.data() + 4) - LoadBe16(bytes() + 4));
    }
  }
  ++count_;
  size_ += segment.payload_length;
  next_sequence_ += segment.payload_length;
  if (!first_.is_v6) {
    next_id_ = static_cast<std::uint16_t>(LoadBe16(packet.data() + 4) + id_step_);
  }
  if (segment.is_tcp) {
    end_flags_ = packet[segment.transport_offset + std::size_t{13}] & kEndFlags;
  }
  const bool is_full = count_ == (first_.is_tcp ? packet::kMaxSegments : kMaxUdpSegments) ||
                       size_ + first_.payload_length > packet::kMaxSuperPacketSize;
  is_complete_ = segment.ends_train || segment.payload_length < first_.payload_length || is_full;
  return true;
}

ByteSpan TunTrain::Finish() {
  assert(count_ > 1);
  std::uint8_t* ip = bytes();
  std::uint8_t* transport = ip + first_.transport_offset;
  const auto transport_length = static_cast<std::uint16_t>(size_ - first_.transport_offset);
  if (first_.is_v6) {
    StoreBe16(ip + 4, transport_length);
  } else {
    StoreBe16(ip + 2, static_cast<std::uint16_t>(size_));
    packet::UpdateIpv4HeaderChecksum(ip, first_.transport_offset);
  }
  if (first_.is_tcp) {
    transport[13] |= end_flags_;
  } else {
    StoreBe16(transport + 4, transport_length);
  }
  offload_ = {.gso_type = !first_.is_tcp ? packet::GsoType::kUdp
                          : first_.is_v6 ? packet::GsoType::kTcpV6
                                         : packet::GsoType::kTcpV4,
              .needs_checksum = true,
              .gso_size = first_.payload_length,
              .header_length = first_.header_length,
              .checksum_start = first_.transport_offset,
              .checksum_offset = static_cast<std::uint16_t>(first_.is_tcp ? 16 : 6)};
  // The field holds the sum over the pseudo-header, not complemented; whoever cuts completes it.
  StoreNative(transport + offload_.checksum_offset,
              packet::Fold(
                  packet::SumPseudoHeader(ip, first_.is_v6, ProtocolOf(first_), transport_length)));
  WriteVirtioHeader(offload_,
                    std::span<std::uint8_t, kVirtioHeaderSize>(buffer_.get(), kVirtioHeaderSize));
  return {buffer_.get(), kVirtioHeaderSize + size_};
}

}  // namespace adit::io
