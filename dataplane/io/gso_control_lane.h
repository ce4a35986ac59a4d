#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "common/bytes.h"
#include "dataplane/io/gso_send.h"
#include "dataplane/packet/datagram_sink.h"

namespace adit::io {

// Handshakes, cookie replies and the like, copied, in order of arrival: they leave before data.
// Bounded, and nobody ever waits for room in it. When it is full,
//  - a cookie reply that arrives is dropped;
//  - a handshake takes the place of the oldest cookie reply; without one, of the oldest datagram of
//    a suspended family if its own is not suspended, so that handshakes towards a dead uplink do
//    not crowd out those of the live one; else it is dropped.
class ControlLane {
 public:
  static constexpr std::size_t kCapacity = 64;
  static constexpr std::size_t kMaxDatagramSize = 256;

  struct Entry {
    packet::DatagramPath path;
    packet::ControlKind kind = packet::ControlKind::kHandshake;
    std::uint16_t size = 0;
    std::array<std::uint8_t, kMaxDatagramSize> bytes;

    [[nodiscard]] ByteSpan datagram() const { return {bytes.data(), size}; }
  };

  enum class Added : std::uint8_t { kYes, kInPlaceOfAnother, kNo };

  ControlLane();
  // No for what is empty, longer than kMaxDatagramSize, or without a destination, as well.
  Added Add(ByteSpan datagram, const packet::DatagramPath& path, packet::ControlKind kind,
            const std::array<bool, kFamilyCount>& is_suspended);

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  // The i-th in order of arrival.
  [[nodiscard]] Entry& At(std::size_t i) { return entries_[order_[i]]; }
  [[nodiscard]] const Entry& At(std::size_t i) const { return entries_[order_[i]]; }
  void RemoveAt(std::size_t i);

 private:
  // kCapacity when there is none.
  [[nodiscard]] std::size_t OldestCookieReply() const;
  [[nodiscard]] std::size_t OldestOfSuspended(
      const std::array<bool, kFamilyCount>& is_suspended) const;

  std::array<Entry, kCapacity> entries_;
  // The first size_ are in use, by arrival; the others are the free entries.
  std::array<std::uint8_t, kCapacity> order_;
  std::size_t size_ = 0;
};

}  // namespace adit::io
