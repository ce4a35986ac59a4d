#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <vector>

#include "dataplane/packet/super_packet.h"

namespace adit::engine {

// Packets of one peer that wait for a session: first in, first out, at most 128 (segments counted
// singly) and 256 KiB; the oldest make room. Slow path: it allocates.
class StagedPackets {
 public:
  static constexpr std::size_t kMaxPackets = 128;
  static constexpr std::size_t kMaxBytes = std::size_t{256} * 1024;

  struct Packet {
    std::vector<std::uint8_t> bytes;
    packet::OffloadHeader offload;
    std::uint32_t segments = 1;
  };

  // Returns how many packets (segments) were dropped to make room.
  std::size_t Push(const packet::SuperPacket& packet, std::uint32_t segments);
  // Returns how many packets (segments) there were.
  std::size_t Clear();
  [[nodiscard]] bool empty() const { return packets_.empty(); }
  [[nodiscard]] Packet& front() { return packets_.front(); }
  void PopFront();
  [[nodiscard]] std::size_t segment_count() const { return segment_count_; }
  [[nodiscard]] std::size_t byte_count() const { return byte_count_; }

 private:
  std::list<Packet> packets_;  // empty it owns nothing: most peers have none
  std::size_t segment_count_ = 0;
  std::size_t byte_count_ = 0;
};

}  // namespace adit::engine
