#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>

#include "dataplane/packet/datagram_sink.h"

// A batch: datagrams that one sendmsg carries, and the rules that one batch decides for itself.
namespace adit::io {

// UDP_MAX_SEGMENTS of the kernels before 6.9; later ones take 128.
inline constexpr std::uint32_t kMaxSegmentsPerSend = 64;
// A train is one UDP datagram until it is cut: 65,535 bytes less the IP and UDP headers.
inline constexpr std::uint32_t kMaxSendBytesV4 = 65535 - 20 - 8;
inline constexpr std::uint32_t kMaxSendBytesV6 = 65535 - 40 - 8;

[[nodiscard]] constexpr std::uint32_t MaxSendBytes(IpFamily family) {
  return family == IpFamily::kV6 ? kMaxSendBytesV6 : kMaxSendBytesV4;
}

// Indices into the fixed tables. There is one batch for each buffer, with the buffer's index, and
// never more lanes than batches.
using BatchIndex = std::uint8_t;
using LaneIndex = std::uint8_t;
inline constexpr BatchIndex kNoBatch = 0xFF;
inline constexpr LaneIndex kNoLane = 0xFF;

// Datagrams of one inner flow: all of segment_size, the last of last_size <= segment_size. A lone
// datagram has segment_size == last_size.
struct Train {
  std::uint32_t segment_size = 0;
  std::uint32_t count = 0;
  std::uint32_t last_size = 0;
  std::uint32_t flow_hash = 0;

  [[nodiscard]] static Train Of(const packet::TrainRequest& request) {
    const bool is_lone = request.count == 1;
    return {is_lone ? request.last_size : request.segment_size, request.count, request.last_size,
            request.flow_hash};
  }
};

// How many datagrams of the train, from its first on, fit behind `used_count` datagrams of
// `used_bytes` in one send.
[[nodiscard]] constexpr std::uint32_t DatagramsThatFit(const Train& train, std::uint32_t used_count,
                                                       std::uint32_t used_bytes,
                                                       std::uint32_t max_bytes) {
  const std::uint32_t segments_left = kMaxSegmentsPerSend - used_count;
  const std::uint32_t bytes_left = max_bytes - used_bytes;
  const std::uint32_t equal =
      std::min({train.count, segments_left, bytes_left / train.segment_size});
  // What is left at the end of the buffer may still hold the short end.
  const bool only_last_is_left = equal + 1 == train.count && equal < segments_left;
  const bool last_fits = equal * train.segment_size + train.last_size <= bytes_left;
  return only_last_is_left && last_fits ? equal + 1 : equal;
}

// The set of flows that a batch may hold: a collision says yes where the truth is no.
class FlowMask {
 public:
  void Add(std::uint32_t flow_hash) { words_[WordOf(flow_hash)] |= BitOf(flow_hash); }
  [[nodiscard]] bool MayHold(std::uint32_t flow_hash) const {
    return (words_[WordOf(flow_hash)] & BitOf(flow_hash)) != 0;
  }
  void Clear() { words_.fill(0); }

  static constexpr std::size_t kBits = 1024;
  // 0 … kBits - 1. Multiplies, so that hashes which differ only in their low or high bits spread.
  [[nodiscard]] static constexpr std::uint32_t PositionOf(std::uint32_t flow_hash) {
    return (flow_hash * 0x9E3779B1U) >> 22;
  }

 private:
  static std::size_t WordOf(std::uint32_t flow_hash) { return PositionOf(flow_hash) / 64; }
  static std::uint64_t BitOf(std::uint32_t flow_hash) {
    return std::uint64_t{1} << (PositionOf(flow_hash) % 64);
  }
  std::array<std::uint64_t, kBits / 64> words_{};
};
static_assert((0xFFFFFFFFU >> 22) + 1 == FlowMask::kBits);

// What is known of the datagrams in one buffer. Equal segments back to back, the last perhaps
// shorter. Empty (count == 0) while its buffer is free.
struct GsoBatch {
  packet::DatagramPath path;  // the attributes: equal for every datagram of the batch
  std::uint32_t peer = 0;
  std::uint32_t segment_size = 0;  // of the first datagram
  std::uint32_t count = 0;
  std::uint32_t bytes = 0;
  std::uint32_t sent = 0;          // datagrams of `count` that have left; they are the first ones
  std::uint32_t max_bytes = 0;     // what one send can carry
  std::uint32_t last_flow = 0;     // of the last datagram
  bool is_sealed = false;          // nothing joins any more
  BatchIndex previous = kNoBatch;  // of the same peer, by position
  BatchIndex next = kNoBatch;
  std::uint64_t epoch = 0;
  std::uint64_t created = 0;  // order of creation, over all peers
  FlowMask flows;

  // Whether the train, or its beginning, may be appended; not whether order allows it.
  [[nodiscard]] bool Accepts(const Train& train, const packet::DatagramPath& train_path) const {
    if (is_sealed) {
      return false;
    }
    const bool is_equal_in_size = train.segment_size == segment_size;
    // Only a lone datagram ends a train, and only its own flow's: a stranger's small packet would
    // cost the train its next segments.
    const bool is_short_end =
        train.count == 1 && train.segment_size < segment_size && train.flow_hash == last_flow;
    if (!is_equal_in_size && !is_short_end) {
      return false;
    }
    const bool has_room = bytes + train.segment_size <= max_bytes;
    return has_room && train_path == path;
  }

  // Appends the first `added` datagrams of the train, `added_bytes` long together.
  void Append(const Train& train, std::uint32_t added, std::uint32_t added_bytes) {
    assert(!is_sealed && added > 0);
    count += added;
    bytes += added_bytes;
    last_flow = train.flow_hash;
    flows.Add(train.flow_hash);
    const bool has_short_end = bytes < count * segment_size;
    const bool has_all_segments = count == kMaxSegmentsPerSend;
    is_sealed = has_short_end || has_all_segments;
    assert(count <= kMaxSegmentsPerSend && bytes <= max_bytes);
  }

  [[nodiscard]] std::uint32_t sent_bytes() const { return std::min(sent * segment_size, bytes); }
};

}  // namespace adit::io
