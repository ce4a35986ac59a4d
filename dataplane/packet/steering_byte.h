#pragma once

#include <cstdint>

namespace adit::packet {

// Where datagrams that begin with `first_byte` say which of several sockets they are for: the
// number at `offset`.
struct SteeringByte {
  std::uint8_t first_byte = 0;
  std::uint8_t offset = 0;
};

}  // namespace adit::packet
