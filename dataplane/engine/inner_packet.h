#pragma once

#include <cstdint>
#include <optional>

#include "common/bytes.h"
#include "dataplane/packet/drop_reason.h"
#include "dataplane/packet/ip_packet.h"

namespace adit::engine {

// Reads an inner packet's headers. Strict refuses what filters cannot judge (IP in IP, mapped
// addresses, tiny fragments, odd extension headers). Without access rules a WireGuard device
// carries any IP packet, so then those are read for their addresses and outermost protocol only.
[[nodiscard]] packet::ParseResult ReadInnerPacket(ByteSpan bytes, bool is_strict);

// Combines the ECN of the outer header into the inner packet as RFC 6040 4.2 (figure 4) says, in
// place, the IPv4 header checksum kept right. False: the packet must be dropped (the outer header
// says congestion, the inner one cannot).
[[nodiscard]] bool DecapsulateEcn(MutableByteSpan packet, std::uint8_t outer_ecn);

}  // namespace adit::engine
