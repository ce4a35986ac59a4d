#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <variant>

#include "common/bytes.h"
#include "dataplane/packet/drop_reason.h"
#include "dataplane/packet/super_packet.h"

// Splits a TSO or USO super-packet read from TUN into the packets the kernel spared itself, each
// written whole, with headers and checksums, where the caller wants it.
namespace adit::packet {

class Splitter {
 public:
  // Checks the offload header against the packet: offsets inside it, header lengths, protocol of
  // the gso_type, at most kMaxSegments segments. Returns kBadVirtioHeader or kMalformed instead of
  // a Splitter. Borrows packet.bytes until the last Write.
  [[nodiscard]] static std::variant<Splitter, DropReason> Make(const SuperPacket& packet);

  [[nodiscard]] std::size_t segment_count() const { return segment_count_; }
  // Bytes of segment i as an IP packet; all but the last are equal.
  [[nodiscard]] std::size_t segment_size(std::size_t i) const {
    return i + 1 == segment_count_ ? last_size_ : full_size_;
  }

  // Writes segment i (in order, each once or more) into out, which has at least segment_size(i)
  // bytes: lengths, IPv4 identification (+i), TCP sequence, flags (FIN and PSH only on the last,
  // CWR only on the first) and all checksums are set.
  void Write(std::size_t i, MutableByteSpan out) const;

 private:
  Splitter() = default;

  ByteSpan packet_;
  OffloadHeader offload_;
  bool is_v6_ = false;
  bool is_tcp_ = false;
  std::uint16_t transport_offset_ = 0;
  std::uint16_t header_length_ = 0;
  std::size_t segment_count_ = 1;
  std::size_t full_size_ = 0;
  std::size_t last_size_ = 0;
};

}  // namespace adit::packet
