#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "dataplane/crypto/aead.h"

// ChaCha20-Poly1305 over a group of packets at once: each packet is one lane of the vector
// registers. All of a group's one-time Poly1305 keys come from one pass of the block function, and
// no packet has an end at which part of a register idles.
//
// The lengths within a group may differ, but it takes as long as that many packets of its greatest
// length, and as long as a full group when it is not full.
namespace adit::crypto {

struct LaneKernel {
  std::string_view instructions;
  std::size_t lanes;
  // As Aead::Seal and Aead::Open, of 1 to `lanes` packets. Keys stay on the stack, in less than
  // kLaneKernelStack bytes below the caller's frame.
  void (*seal)(std::span<const std::uint8_t, 32> key, std::span<const SealJob> group);
  void (*open)(std::span<const std::uint8_t, 32> key, std::span<OpenJob> group);
  // For whoever could give the packets to a library instead: what a step of 64 bytes of all lanes
  // takes, and what the library takes for a packet besides its bytes, both in times that the
  // library needs for 64 bytes.
  std::uint32_t step_cost;
  std::uint32_t library_packet_cost;
};

inline constexpr std::size_t kLaneKernelStack = std::size_t{4} * 1024;

// Those that this CPU runs, the one with most lanes first. AVX2 (with BMI2): 8 lanes; AVX-512 (F
// and BW): 16.
[[nodiscard]] std::vector<const LaneKernel*> LaneKernels();

// Each is nullptr where the CPU lacks the instructions.
[[nodiscard]] const LaneKernel* Avx512LaneKernel();
[[nodiscard]] const LaneKernel* Avx2LaneKernel();

}  // namespace adit::crypto
