#include "dataplane/engine/staged_packets.h"

namespace adit::engine {

std::size_t StagedPackets::Push(const packet::SuperPacket& packet, std::uint32_t segments) {
  std::size_t dropped = 0;
  const auto is_over = [&] {
    return segment_count_ + segments > kMaxPackets || byte_count_ + packet.bytes.size() > kMaxBytes;
  };
  while (!packets_.empty() && is_over()) {
    dropped += packets_.front().segments;
    PopFront();
  }
  packets_.push_back({{packet.bytes.begin(), packet.bytes.end()}, packet.offload, segments});
  segment_count_ += segments;
  byte_count_ += packet.bytes.size();
  return dropped;
}

std::size_t StagedPackets::Clear() {
  const std::size_t count = segment_count_;
  packets_ = {};
  segment_count_ = 0;
  byte_count_ = 0;
  return count;
}

void StagedPackets::PopFront() {
  segment_count_ -= packets_.front().segments;
  byte_count_ -= packets_.front().bytes.size();
  packets_.pop_front();
}

}  // namespace adit::engine
