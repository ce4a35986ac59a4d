#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>

#include "dataplane/io/gso_batch.h"
#include "dataplane/packet/super_packet.h"

namespace adit::io {

inline constexpr std::size_t kBufferCount = 64;
inline constexpr std::size_t kBufferSize = std::size_t{64} * 1024;
static_assert(kBufferSize >= kMaxSendBytesV4 && kBufferSize >= kMaxSendBytesV6,
              "a buffer holds whatever one send can carry");
static_assert(kBufferCount < kNoBatch, "every buffer has an index");
static_assert(kBufferCount * kBufferSize <= std::size_t{4} * 1024 * 1024,
              "a shard's queue is at most 4 MiB of the process's memory budget");

// Buffers that the worst super-packet takes when none of its datagrams joins an open batch. Cut
// into n segments, each has at most an n-th of the payload, its own copy of the headers, padding
// and WireGuard's header and tag; equal segments waste less than one of them at a buffer's end.
[[nodiscard]] constexpr std::size_t WorstBuffersPerSuperPacket() {
  constexpr std::uint32_t kMaxHeaders = 120;   // IPv4 and TCP, both with all options
  constexpr std::uint32_t kSealing = 15 + 32;  // padding to 16, header and tag
  std::uint32_t worst = 0;
  for (std::uint32_t n = 1; n <= packet::kMaxSegments; ++n) {
    const auto payload = static_cast<std::uint32_t>(packet::kMaxSuperPacketSize) / n;
    const std::uint32_t segment = std::min(payload + kMaxHeaders + kSealing, kMaxSendBytesV6);
    const std::uint32_t per_buffer = std::min(kMaxSegmentsPerSend, kMaxSendBytesV6 / segment);
    worst = std::max(worst, (n + per_buffer - 1) / per_buffer);
  }
  return worst;
}
// The reserve: TUN is read only while this many buffers are free.
inline constexpr std::size_t kBuffersPerSuperPacket = WorstBuffersPerSuperPacket();
static_assert(kBuffersPerSuperPacket == 2);
static_assert(kBufferCount >= 8 * kBuffersPerSuperPacket, "most buffers are there to be used");

// kBufferCount buffers of kBufferSize, mapped once. The buffer freed last is used first, so that
// light load touches few pages, again and again; untouched pages cost nothing.
class GsoBuffers {
 public:
  GsoBuffers();  // throws std::bad_alloc
  ~GsoBuffers();
  GsoBuffers(const GsoBuffers&) = delete;
  GsoBuffers& operator=(const GsoBuffers&) = delete;

  [[nodiscard]] std::uint8_t* BytesOf(BatchIndex index) const {
    assert(index < kBufferCount);
    return memory_ + index * kBufferSize;
  }
  [[nodiscard]] std::size_t free_count() const { return free_count_; }
  // The buffer that Take will return. Requires a free one, as Take does.
  [[nodiscard]] BatchIndex NextFree() const { return free_[free_count_ - 1]; }
  BatchIndex Take() { return free_[--free_count_]; }
  void GiveBack(BatchIndex index) {
    assert(free_count_ < kBufferCount);
    free_[free_count_++] = index;
  }

 private:
  std::uint8_t* memory_;
  std::array<BatchIndex, kBufferCount> free_;
  std::size_t free_count_ = kBufferCount;
};

}  // namespace adit::io
