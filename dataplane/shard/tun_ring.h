#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "dataplane/io/tun_reader.h"
#include "dataplane/packet/super_packet.h"

namespace adit::shard {

// Super-packets on their way from the shard that reads TUN to the one that has the destination's
// peer, first in, first out: a bounded ring for one producer and one consumer. Nothing is copied:
// the reader's buffer goes into the ring in exchange for an empty one.
//
// Threads: two. All operations on the two counts are sequentially consistent, so that with Shard's
// own flag no wake-up is lost: whoever is about to sleep says so before it looks here again, and
// whoever changes something here looks at the flag after that. Allocates in the constructor only,
// and of the buffers only what is used is touched.
class TunRing {
 public:
  // A few reads of the largest super-packets (2 MiB), a burst of small ones.
  static constexpr std::uint32_t kSlots = 32;

  TunRing() {
    for (Slot& slot : slots_) {
      slot.buffer = io::TunReader::MakeBuffer();
    }
  }
  TunRing(const TunRing&) = delete;
  TunRing& operator=(const TunRing&) = delete;
  ~TunRing() = default;

  // --- the producer's
  [[nodiscard]] bool IsFull() {
    const std::uint32_t written = written_.load(std::memory_order_relaxed);
    if (written - read_seen_ == kSlots) {
      read_seen_ = read_.load();
    }
    return written - read_seen_ == kSlots;
  }
  // Takes the packet that the reader read last. Requires that the ring is not full.
  void Push(const packet::SuperPacket& packet, io::TunReader& reader) {
    const std::uint32_t written = written_.load(std::memory_order_relaxed);
    Slot& slot = slots_[written % kSlots];
    slot.packet = packet;
    reader.ExchangeBuffer(slot.buffer);
    written_.store(written + 1);
  }

  // --- the consumer's
  [[nodiscard]] bool IsEmpty() const { return written_.load() == read_.load(); }
  // The oldest packet, its bytes the consumer's to change; nullptr when there is none.
  [[nodiscard]] const packet::SuperPacket* Front() const {
    const std::uint32_t read = read_.load(std::memory_order_relaxed);
    return written_.load() == read ? nullptr : &slots_[read % kSlots].packet;
  }
  // Gives up the oldest. True: half of the ring is free, so a producer that found it full should
  // look again. That is said once on the way from full to empty.
  [[nodiscard]] bool Pop() {
    const std::uint32_t read = read_.load(std::memory_order_relaxed) + 1;
    read_.store(read);
    return written_.load() - read == kSlots / 2;
  }

 private:
  static constexpr std::size_t kCacheLine = 64;
  struct Slot {
    io::TunReader::Buffer buffer;
    packet::SuperPacket packet;
  };

  std::array<Slot, kSlots> slots_;
  alignas(kCacheLine) std::atomic<std::uint32_t> written_{0};
  std::uint32_t read_seen_ = 0;
  alignas(kCacheLine) std::atomic<std::uint32_t> read_{0};
};

}  // namespace adit::shard
