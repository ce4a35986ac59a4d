#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "common/time.h"
#include "dataplane/access/flow_key.h"

namespace adit::access {

// Lifetimes of idle flows. TCP: RFC 5382 REQ-5; UDP: RFC 4787 REQ-5; ICMP: RFC 5508 REQ-2.
inline constexpr Duration kTcpEstablishedLifetime = std::chrono::minutes(124);
inline constexpr Duration kTcpTransitoryLifetime = std::chrono::minutes(4);
inline constexpr Duration kUdpConfirmedLifetime = std::chrono::minutes(5);
inline constexpr Duration kUdpUnconfirmedLifetime = std::chrono::minutes(2);
inline constexpr Duration kOtherLifetime = std::chrono::seconds(60);

// What is known of one open flow.
struct Flow {
  FlowKey key;
  std::uint32_t generation = 0;  // of the rules that permitted it
  Instant last_used;
  Instant deadline;                 // of the grant that permitted it
  bool is_confirmed = false;        // packets went both ways
  bool is_tcp_established = false;  // a segment without SYN went each way
  bool is_tcp_closing = false;      // FIN or RST was seen

  [[nodiscard]] Duration Lifetime() const;
};

// The open flows of one shard: a fixed number of entries, found by hash. Entries lie densely from
// the front, so that memory follows the number of flows; the index over them is 8 bytes a slot.
//
// When full, the oldest unconfirmed flow makes room; when all are confirmed the new one is refused.
// Idle flows are removed by Sweep, a few at a time.
//
// Thread: the shard's. Allocates in the constructor only.
class FlowTable {
 public:
  static constexpr std::size_t kDefaultCapacity = 131072;

  FlowTable(std::size_t capacity, std::uint64_t hash_secret);
  ~FlowTable();
  FlowTable(const FlowTable&) = delete;
  FlowTable& operator=(const FlowTable&) = delete;

  // nullptr when there is none, or it has been idle for longer than its lifetime.
  [[nodiscard]] Flow* Find(const FlowKey& key, Instant now);
  // The key must not be present. nullptr when full of confirmed flows.
  [[nodiscard]] Flow* Add(const FlowKey& key, Instant now);
  void Remove(Flow* flow);
  // Takes the flow off the list of those that may be evicted.
  void Confirm(Flow* flow);
  // Looks at up to `entries` flows, round-robin, and removes the idle ones.
  void Sweep(std::size_t entries, Instant now);
  // Removes every flow of the peer: it is gone, its slot may be reused.
  void RemovePeer(PeerId peer);

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  [[nodiscard]] std::uint64_t evicted() const { return evicted_; }

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;
  struct Entry {
    Flow flow;
    std::uint32_t chain_next = kNone;  // same bucket; or next free entry
    std::uint32_t older = kNone;       // unconfirmed list, by time of creation
    std::uint32_t newer = kNone;
    bool is_used = false;
  };

  [[nodiscard]] std::uint32_t IndexOf(const Flow* flow) const;
  [[nodiscard]] std::size_t BucketOf(const FlowKey& key) const;
  void UnlinkUnconfirmed(std::uint32_t index);

  const std::size_t capacity_;
  const std::uint64_t hash_secret_;
  std::size_t bucket_mask_ = 0;
  std::uint32_t* buckets_ = nullptr;  // mapped, zero pages until touched; value is index + 1
  Entry* entries_ = nullptr;          // mapped likewise
  std::size_t used_high_ = 0;         // entries_[0, used_high_) have been used
  std::uint32_t free_head_ = kNone;
  std::uint32_t oldest_unconfirmed_ = kNone;
  std::uint32_t newest_unconfirmed_ = kNone;
  std::size_t sweep_next_ = 0;
  std::size_t size_ = 0;
  std::uint64_t evicted_ = 0;
};

}  // namespace adit::access
