#pragma once

#include <cstdint>

namespace adit::io {

// What the user says of an offload (--tun-offload, --udp-gso, --udp-gro).
enum class OffloadSwitch : std::uint8_t {
  kAuto,  // used where the kernel has it, and said so where it has not
  kOn,    // an error where the kernel has it not
  kOff,   // not used
};

}  // namespace adit::io
