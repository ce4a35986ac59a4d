#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "dataplane/io/gso_queue.h"

// The slow, obvious queue: the rules of order as they are said, over vectors that are searched from
// end to end. No buffers, no reservations, no turns between peers.
namespace adit::io {

struct OracleDatagram {
  std::uint32_t id = 0;
  std::uint32_t size = 0;
};

struct OracleBatch {
  std::uint64_t epoch = 0;
  std::uint32_t segment_size = 0;
  std::uint64_t created = 0;
  packet::DatagramPath path;
  std::deque<OracleDatagram> datagrams;  // those not yet sent
  std::uint32_t count = 0;               // all, sent ones included
  std::uint32_t bytes = 0;
  std::uint32_t last_flow = 0;
  std::set<std::uint32_t> mask;
  bool is_sealed = false;

  // (epoch, -segment size, order of creation)
  [[nodiscard]] auto position() const {
    return std::tuple(epoch, -static_cast<std::int64_t>(segment_size), created);
  }
  [[nodiscard]] bool Fits(std::uint32_t size) const {
    return count < 64 && bytes + size <= MaxSendBytes(path.remote.address.family());
  }
  void Add(OracleDatagram datagram, std::uint32_t flow) {
    datagrams.push_back(datagram);
    ++count;
    bytes += datagram.size;
    last_flow = flow;
    mask.insert(FlowMask::PositionOf(flow));
    is_sealed = is_sealed || datagram.size < segment_size;
  }
};

class OraclePeer {
 public:
  // Adds what goes to one batch of the train's first datagrams; returns how many that is.
  std::uint32_t AddPiece(const std::vector<OracleDatagram>& train, std::uint32_t flow,
                         const packet::DatagramPath& path) {
    OracleBatch* batch = FindOpen(train, flow, path);
    if (batch == nullptr) batch = Open(train[0].size, flow, path);
    std::uint32_t added = 0;
    while (added < train.size() && !batch->is_sealed && batch->Fits(train[added].size)) {
      batch->Add(train[added++], flow);
    }
    return added;
  }

  void StartEpoch() {
    if (batches_.empty()) return;
    for (OracleBatch& batch : batches_) batch.is_sealed = true;
    ++epoch_;
  }

  // The batch that leaves next; the attempt closes its epoch.
  OracleBatch& Attempt() {
    OracleBatch& first = *std::min_element(batches_.begin(), batches_.end(), IsBefore);
    for (OracleBatch& batch : batches_) batch.is_sealed |= batch.epoch == first.epoch;
    if (epoch_ == first.epoch) ++epoch_;
    return first;
  }
  void RemoveFirst() {
    batches_.erase(std::min_element(batches_.begin(), batches_.end(), IsBefore));
  }
  [[nodiscard]] bool empty() const { return batches_.empty(); }

 private:
  static bool IsBefore(const OracleBatch& a, const OracleBatch& b) {
    return a.position() < b.position();
  }

  // The greatest position of a batch that may hold the flow.
  [[nodiscard]] const OracleBatch* LastOf(std::uint32_t flow) const {
    const OracleBatch* last = nullptr;
    for (const OracleBatch& batch : batches_) {
      const bool may_hold = batch.mask.contains(FlowMask::PositionOf(flow));
      if (may_hold && (last == nullptr || IsBefore(*last, batch))) last = &batch;
    }
    return last;
  }

  OracleBatch* FindOpen(const std::vector<OracleDatagram>& train, std::uint32_t flow,
                        const packet::DatagramPath& path) {
    const OracleBatch* last = LastOf(flow);
    OracleBatch* found = nullptr;
    for (OracleBatch& batch : batches_) {
      if (batch.is_sealed || batch.path != path || !batch.Fits(train[0].size)) continue;
      if (last != nullptr && IsBefore(batch, *last)) continue;
      const bool is_equal = train[0].size == batch.segment_size;
      const bool is_short_end =
          train.size() == 1 && train[0].size < batch.segment_size && batch.last_flow == flow;
      if (!is_equal && !is_short_end) continue;
      if (found == nullptr || IsBefore(batch, *found)) found = &batch;
    }
    return found;
  }

  OracleBatch* Open(std::uint32_t size, std::uint32_t flow, const packet::DatagramPath& path) {
    OracleBatch batch;
    batch.epoch = epoch_;
    batch.segment_size = size;
    batch.created = ++created_;
    batch.path = path;
    const OracleBatch* last = LastOf(flow);
    if (last != nullptr && batch.position() < last->position()) batch.epoch = ++epoch_;
    batches_.push_back(batch);
    return &batches_.back();
  }

  std::vector<OracleBatch> batches_;
  std::uint64_t epoch_ = 0;
  std::uint64_t created_ = 0;
};

}  // namespace adit::io
