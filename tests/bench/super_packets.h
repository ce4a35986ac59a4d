#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "dataplane/packet/super_packet.h"
#include "tests/support/packet_builder.h"

namespace adit::bench {

inline constexpr std::uint8_t kTcp = 6;
inline constexpr std::uint8_t kUdp = 17;

// An IPv4 super-packet of segments that fill an MTU of 1420, as a TUN read brings it (46 are 64
// KB). Fresh copies it anew, as a read does, since who gets it may rewrite it.
class SuperPacketSource {
 public:
  explicit SuperPacketSource(std::uint8_t protocol, std::size_t segments = 46) {
    const std::uint16_t headers = protocol == kTcp ? 40 : 28;
    const auto gso_size = static_cast<std::uint16_t>(kMtu - headers);
    original_ = testing::BuildPacket(
        {.protocol = protocol, .payload = testing::Bytes(segments * gso_size, 0x5a)});
    offload_ = {.gso_type = protocol == kTcp ? packet::GsoType::kTcpV4 : packet::GsoType::kUdp,
                .needs_checksum = true,
                .gso_size = gso_size,
                .header_length = headers,
                .checksum_start = 20,
                .checksum_offset = static_cast<std::uint16_t>(protocol == kTcp ? 16 : 6)};
    copy_ = original_;
  }
  [[nodiscard]] packet::SuperPacket Fresh() {
    std::memcpy(copy_.data(), original_.data(), original_.size());
    return {copy_, offload_};
  }

 private:
  static constexpr std::uint16_t kMtu = 1'420;

  testing::Bytes original_;
  testing::Bytes copy_;
  packet::OffloadHeader offload_;
};

}  // namespace adit::bench
