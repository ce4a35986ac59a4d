#include "dataplane/packet/split.h"

#include <cassert>

#include "dataplane/packet/checksum.h"

namespace adit::packet {
namespace {

constexpr std::uint8_t kTcpFin = 0x01;
constexpr std::uint8_t kTcpPsh = 0x08;
constexpr std::uint8_t kTcpCwr = 0x80;
constexpr std::size_t kTcpChecksumAt = 16;
constexpr std::size_t kUdpChecksumAt = 6;

}  // namespace

std::variant<Splitter, DropReason> Splitter::Make(const SuperPacket& packet) {
  const ByteSpan bytes = packet.bytes;
  const OffloadHeader& offload = packet.offload;
  if (bytes.size() < 20) {
    return DropReason::kMalformed;
  }
  const std::uint8_t version = bytes[0] >> 4;
  if (version != 4 && version != 6) {
    return DropReason::kUnknownVersion;
  }
  Splitter splitter;
  splitter.packet_ = bytes;
  splitter.offload_ = offload;
  splitter.is_v6_ = version == 6;
  const std::size_t checksum_end =
      std::size_t{offload.checksum_start} + offload.checksum_offset + 2;
  if (offload.needs_checksum && checksum_end > bytes.size()) {
    return DropReason::kBadVirtioHeader;
  }
  if (offload.gso_type == GsoType::kNone) {
    splitter.full_size_ = bytes.size();
    splitter.last_size_ = bytes.size();
    return splitter;
  }

  const std::size_t ip_header = splitter.is_v6_ ? 40 : (bytes[0] & 15U) * 4U;
  const bool is_family_right =
      offload.gso_type == GsoType::kUdp || (offload.gso_type == GsoType::kTcpV6) == splitter.is_v6_;
  splitter.is_tcp_ = offload.gso_type != GsoType::kUdp;
  // Extension headers lie between: the transport header is where the checksum starts.
  const std::size_t transport = offload.checksum_start != 0 ? offload.checksum_start : ip_header;
  const std::size_t minimum = splitter.is_tcp_ ? 20 : 8;
  // Behind IPv6 extension headers the protocol is the kernel's word.
  const bool has_extensions = splitter.is_v6_ && transport > ip_header;
  const std::uint8_t protocol = splitter.is_v6_ ? bytes[6] : bytes[9];
  const bool is_protocol_right = has_extensions || protocol == (splitter.is_tcp_ ? 6 : 17);
  if (!is_family_right || !is_protocol_right || offload.gso_size == 0 || ip_header < 20 ||
      transport < ip_header || transport + minimum > bytes.size() ||
      bytes.size() > kMaxSuperPacketSize) {
    return DropReason::kBadVirtioHeader;
  }
  const std::size_t transport_size =
      splitter.is_tcp_ ? (bytes[transport + 12] >> 4) * std::size_t{4} : std::size_t{8};
  const std::size_t header = transport + transport_size;
  if (transport_size < minimum || header >= bytes.size()) {
    return DropReason::kBadVirtioHeader;
  }
  const std::size_t payload = bytes.size() - header;
  splitter.transport_offset_ = static_cast<std::uint16_t>(transport);
  splitter.header_length_ = static_cast<std::uint16_t>(header);
  splitter.segment_count_ = (payload + offload.gso_size - 1) / offload.gso_size;
  if (splitter.segment_count_ > kMaxSegments) {
    return DropReason::kBadVirtioHeader;
  }
  splitter.full_size_ = header + std::min<std::size_t>(offload.gso_size, payload);
  splitter.last_size_ = header + payload - (splitter.segment_count_ - 1) * offload.gso_size;
  return splitter;
}

void Splitter::Write(std::size_t i, MutableByteSpan out) const {
  assert(out.size() >= segment_size(i));
  std::uint8_t* to = out.data();
  if (offload_.gso_type == GsoType::kNone) {
    std::memcpy(to, packet_.data(), packet_.size());
    if (offload_.needs_checksum) {
      std::uint8_t* start = to + offload_.checksum_start;
      // The field holds the pseudo-header's sum, so summing over it completes the checksum.
      const std::uint16_t sum = Fold(SumBytes({start, packet_.size() - offload_.checksum_start}));
      std::uint8_t* field = start + offload_.checksum_offset;
      StoreChecksum(field, sum);
      const bool is_udp = offload_.checksum_offset == kUdpChecksumAt;
      if (is_udp && LoadNative<std::uint16_t>(field) == 0) {
        StoreNative<std::uint16_t>(field, 0xffff);  // RFC 768: 0 means none
      }
    }
    return;
  }

  const bool is_last = i + 1 == segment_count_;
  const std::size_t size = segment_size(i);
  const std::size_t payload = size - header_length_;
  std::memcpy(to, packet_.data(), header_length_);
  const std::uint64_t payload_sum = CopyAndSumBytes(
      packet_.subspan(header_length_ + i * offload_.gso_size, payload), to + header_length_);

  if (is_v6_) {
    StoreBe16(to + 4, static_cast<std::uint16_t>(size - 40));
  } else {
    StoreBe16(to + 2, static_cast<std::uint16_t>(size));
    StoreBe16(to + 4, static_cast<std::uint16_t>(LoadBe16(to + 4) + i));
    UpdateIpv4HeaderChecksum(to, std::size_t{4} * (to[0] & 15U));
  }

  std::uint8_t* transport = to + transport_offset_;
  const std::size_t transport_length = size - transport_offset_;
  std::uint8_t* checksum = nullptr;
  if (is_tcp_) {
    StoreBe32(transport + 4,
              LoadBe32(transport + 4) + static_cast<std::uint32_t>(i * offload_.gso_size));
    if (!is_last) {
      transport[13] &= static_cast<std::uint8_t>(~(kTcpFin | kTcpPsh));
    }
    if (i != 0) {
      transport[13] &= static_cast<std::uint8_t>(~kTcpCwr);
    }
    checksum = transport + kTcpChecksumAt;
  } else {
    StoreBe16(transport + 4, static_cast<std::uint16_t>(transport_length));
    checksum = transport + kUdpChecksumAt;
  }
  StoreNative<std::uint16_t>(checksum, 0);
  const std::uint64_t pseudo =
      SumPseudoHeader(to, is_v6_, is_tcp_ ? 6 : 17, static_cast<std::uint32_t>(transport_length));
  const ByteSpan transport_header(transport, transport_length - payload);
  StoreChecksum(checksum, Fold(SumBytes(transport_header, pseudo + payload_sum)));
  if (!is_tcp_ && LoadNative<std::uint16_t>(checksum) == 0) {
    StoreNative<std::uint16_t>(checksum, 0xffff);
  }
}

}  // namespace adit::packet
