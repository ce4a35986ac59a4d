#pragma once

#include <cstddef>
#include <cstdint>

#include "common/bytes.h"
#include "common/ip_address.h"
#include "dataplane/packet/datagram_sink.h"

namespace adit::packet {

// One receive from a UDP socket: equal datagrams back to back and perhaps a shorter last (UDP_GRO),
// or a single one. What the control messages say holds for every segment.
struct ReceivedTrain {
  MutableByteSpan bytes;         // opened in place
  std::size_t segment_size = 0;  // == bytes.size() for a single datagram; never 0
  Endpoint remote;
  LocalSource local;     // the address and interface it was sent to
  std::uint8_t ecn = 0;  // lower 2 bits of the outer traffic class
};

}  // namespace adit::packet
