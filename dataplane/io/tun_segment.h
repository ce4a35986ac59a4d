#pragma once

#include <cstdint>
#include <optional>

#include "common/bytes.h"

namespace adit::io {

// What a packet must be to be merged with its neighbours, read from its headers. Whole TCP or UDP
// over IPv4 without options or IPv6 without extension headers; lengths that agree with the
// packet's; at least one byte of payload; TCP: ACK, and none of SYN, RST, URG and CWR; UDP: with a
// checksum. Whether the checksums are right is not looked at here.
struct TunSegment {
  bool is_v6 = false;
  bool is_tcp = false;
  bool ends_train = false;             // TCP with PSH or FIN
  std::uint16_t transport_offset = 0;  // 20 or 40
  std::uint16_t header_length = 0;     // IP and transport
  std::uint16_t payload_length = 0;    // > 0

  // nullopt: the packet leaves as it is.
  [[nodiscard]] static std::optional<TunSegment> Of(ByteSpan packet);
};

}  // namespace adit::io
