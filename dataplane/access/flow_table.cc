#include "dataplane/access/flow_table.h"

#include <sys/mman.h>

#include <bit>
#include <cassert>
#include <cstdlib>
#include <new>

namespace adit::access {
namespace {

// Zero pages that cost memory only once touched. Failing here is failing to start.
void* MapZeroed(std::size_t bytes) {
  void* mapping = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) {
    throw std::bad_alloc();
  }
  return mapping;
}

}  // namespace

Duration Flow::Lifetime() const {
  if (key.protocol == packet::kProtocolTcp) {
    return is_tcp_established && !is_tcp_closing ? kTcpEstablishedLifetime : kTcpTransitoryLifetime;
  }
  if (key.protocol == packet::kProtocolUdp) {
    return is_confirmed ? kUdpConfirmedLifetime : kUdpUnconfirmedLifetime;
  }
  return kOtherLifetime;
}

FlowTable::FlowTable(std::size_t capacity, std::uint64_t hash_secret)
    : capacity_(capacity), hash_secret_(hash_secret) {
  const std::size_t bucket_count = std::bit_ceil(capacity);
  bucket_mask_ = bucket_count - 1;
  buckets_ = static_cast<std::uint32_t*>(MapZeroed(bucket_count * sizeof(std::uint32_t)));
  entries_ = static_cast<Entry*>(MapZeroed(capacity_ * sizeof(Entry)));
}

FlowTable::~FlowTable() {
  munmap(buckets_, (bucket_mask_ + 1) * sizeof(std::uint32_t));
  munmap(static_cast<void*>(entries_), capacity_ * sizeof(Entry));
}

std::uint32_t FlowTable::IndexOf(const Flow* flow) const {
  const auto offset =
      reinterpret_cast<const std::uint8_t*>(flow) - reinterpret_cast<const std::uint8_t*>(entries_);
  return static_cast<std::uint32_t>(static_cast<std::size_t>(offset) / sizeof(Entry));
}

std::size_t FlowTable::BucketOf(const FlowKey& key) const {
  return HashOf(key, hash_secret_) & bucket_mask_;
}

Flow* FlowTable::Find(const FlowKey& key, Instant now) {
  for (std::uint32_t link = buckets_[BucketOf(key)]; link != 0;) {
    Entry& entry = entries_[link - 1];
    if (entry.flow.key == key) {
      if (now - entry.flow.last_used > entry.flow.Lifetime()) {
        Remove(&entry.flow);
        return nullptr;
      }
      return &entry.flow;
    }
    link = entry.chain_next == kNone ? 0 : entry.chain_next + 1;
  }
  return nullptr;
}

Flow* FlowTable::Add(const FlowKey& key, Instant now) {
  if (size_ == capacity_) {
    if (oldest_unconfirmed_ == kNone) {
      return nullptr;
    }
    ++evicted_;
    Remove(&entries_[oldest_unconfirmed_].flow);
  }
  std::uint32_t index = free_head_;
  if (index != kNone) {
    free_head_ = entries_[index].chain_next;
  } else {
    index = static_cast<std::uint32_t>(used_high_++);
  }
  Entry& entry = *new (&entries_[index]) Entry();
  entry.is_used = true;
  entry.flow.key = key;
  entry.flow.last_used = now;
  std::uint32_t& bucket = buckets_[BucketOf(key)];
  entry.chain_next = bucket == 0 ? kNone : bucket - 1;
  bucket = index + 1;
  entry.older = newest_unconfirmed_;
  if (newest_unconfirmed_ != kNone) {
    entries_[newest_unconfirmed_].newer = index;
  } else {
    oldest_unconfirmed_ = index;
  }
  newest_unconfirmed_ = index;
  ++size_;
  return &entry.flow;
}

void FlowTable::Remove(Flow* flow) {
  const std::uint32_t index = IndexOf(flow);
  Entry& entry = entries_[index];
  assert(entry.is_used);
  if (!flow->is_confirmed) {
    UnlinkUnconfirmed(index);
  }
  std::uint32_t& bucket = buckets_[BucketOf(flow->key)];
  if (bucket == index + 1) {
    bucket = entry.chain_next == kNone ? 0 : entry.chain_next + 1;
  } else {
    std::uint32_t at = bucket - 1;
    while (entries_[at].chain_next != index) {
      at = entries_[at].chain_next;
    }
    entries_[at].chain_next = entry.chain_next;
  }
  entry.is_used = false;
  entry.chain_next = free_head_;
  free_head_ = index;
  --size_;
}

void FlowTable::Confirm(Flow* flow) {
  if (!flow->is_confirmed) {
    UnlinkUnconfirmed(IndexOf(flow));
    flow->is_confirmed = true;
  }
}

void FlowTable::UnlinkUnconfirmed(std::uint32_t index) {
  Entry& entry = entries_[index];
  (entry.older == kNone ? oldest_unconfirmed_ : entries_[entry.older].newer) = entry.newer;
  (entry.newer == kNone ? newest_unconfirmed_ : entries_[entry.newer].older) = entry.older;
  entry.older = kNone;
  entry.newer = kNone;
}

void FlowTable::Sweep(std::size_t entries, Instant now) {
  for (std::size_t i = 0; i < entries && used_high_ != 0; ++i) {
    sweep_next_ = sweep_next_ + 1 < used_high_ ? sweep_next_ + 1 : 0;
    Entry& entry = entries_[sweep_next_];
    if (entry.is_used && now - entry.flow.last_used > entry.flow.Lifetime()) {
      Remove(&entry.flow);
    }
  }
}

void FlowTable::RemovePeer(PeerId peer) {
  for (std::size_t i = 0; i < used_high_; ++i) {
    if (entries_[i].is_used && entries_[i].flow.key.peer == peer) {
      Remove(&entries_[i].flow);
    }
  }
}

}  // namespace adit::access
