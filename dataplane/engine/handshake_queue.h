#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "common/time.h"
#include "dataplane/packet/received_train.h"
#include "dataplane/wireguard/messages.h"

namespace adit::engine {

// How many handshakes wait in all shards together, and until when that means "under load": held at
// least 512, until 1 s after it last did. Shared by the shards; everything is relaxed, since being
// a few handshakes late changes nothing.
class HandshakeLoad {
 public:
  static constexpr std::uint32_t kUnderLoadCount = 512;
  static constexpr Duration kUnderLoadHold = seconds(1);

  void Add(std::uint32_t count, Instant now) {
    if (waiting_.fetch_add(count, std::memory_order_relaxed) + count >= kUnderLoadCount) {
      until_.store((now + kUnderLoadHold).since_boot().count(), std::memory_order_relaxed);
    }
  }
  void Remove(std::uint32_t count, Instant now) {
    if (waiting_.fetch_sub(count, std::memory_order_relaxed) >= kUnderLoadCount) {
      until_.store((now + kUnderLoadHold).since_boot().count(), std::memory_order_relaxed);
    }
  }
  [[nodiscard]] bool IsUnderLoad(Instant now) const {
    return now.since_boot().count() < until_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint32_t> waiting_{0};
  std::atomic<std::int64_t> until_{0};
};

// Initiations and responses whose mac1 is right, waiting to be served: a bounded ring.
//
// Thread: the shard's. Allocates in the constructor only.
class HandshakeQueue {
 public:
  static constexpr std::size_t kTotalCapacity = 4096;  // over all shards

  struct Entry {
    std::array<std::uint8_t, wireguard::kInitiationSize> bytes;
    std::uint16_t size = 0;
    Endpoint remote;
    packet::LocalSource local;
    [[nodiscard]] ByteSpan message() const { return {bytes.data(), size}; }
  };

  explicit HandshakeQueue(std::size_t capacity)
      : capacity_(capacity), entries_(new Entry[capacity]) {}

  // False: full.
  [[nodiscard]] bool Push(ByteSpan message, const Endpoint& remote,
                          const packet::LocalSource& local) {
    if (size_ == capacity_) {
      return false;
    }
    Entry& entry = entries_[(first_ + size_++) % capacity_];
    entry.size = static_cast<std::uint16_t>(message.size());
    std::memcpy(entry.bytes.data(), message.data(), message.size());
    entry.remote = remote;
    entry.local = local;
    return true;
  }
  // Requires !empty(). Valid until the next Pop or Push.
  [[nodiscard]] const Entry& front() const { return entries_[first_]; }
  void Pop() {
    first_ = (first_ + 1) % capacity_;
    --size_;
  }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  const std::size_t capacity_;
  std::unique_ptr<Entry[]> entries_;
  std::size_t first_ = 0;
  std::size_t size_ = 0;
};

}  // namespace adit::engine
