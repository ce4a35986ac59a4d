#include "dataplane/io/gso_peer_lanes.h"

#include <cassert>

namespace adit::io {

PeerLanes::PeerLanes() {
  buckets_.fill(kNoLane);
  for (std::size_t i = 0; i < kBufferCount; ++i) {
    free_lanes_[i] = static_cast<LaneIndex>(kBufferCount - 1 - i);
  }
}

LanePlacement PeerLanes::Place(std::uint32_t peer, const Train& train,
                               const packet::DatagramPath& path) const {
  LanePlacement placement{.lane = LaneOf(peer)};
  if (placement.lane == kNoLane) {
    return placement;
  }
  const Lane& lane = lanes_[placement.lane];

  // From the back to `last`: everything passed is at or behind it. The first of those that accept
  // is taken, since it leaves first and has been waiting longest.
  BatchIndex last = lane.last;
  for (; last != kNoBatch; last = batches_[last].previous) {
    const GsoBatch& batch = batches_[last];
    if (batch.Accepts(train, path)) {
      placement.join = last;
    }
    if (batch.flows.MayHold(train.flow_hash)) {
      break;
    }
  }
  if (placement.join != kNoBatch || last == kNoBatch) {
    return placement;
  }

  // A batch opened in the current epoch goes behind all that are as large or larger.
  const bool is_in_earlier_epoch = batches_[last].epoch < lane.epoch;
  const bool is_as_large = batches_[last].segment_size >= train.segment_size;
  placement.starts_epoch = !is_in_earlier_epoch && !is_as_large;
  return placement;
}

void PeerLanes::Open(BatchIndex index, LanePlacement placement, std::uint32_t peer,
                     std::uint32_t segment_size, const packet::DatagramPath& path) {
  assert(placement.join == kNoBatch);
  const LaneIndex lane_index = placement.lane == kNoLane ? OpenLane(peer) : placement.lane;
  Lane& lane = lanes_[lane_index];
  assert(lane.peer == peer);
  if (placement.starts_epoch) {
    lane.epoch = ++epoch_;
  }

  GsoBatch& batch = batches_[index];
  assert(batch.count == 0);
  batch.path = path;
  batch.peer = peer;
  batch.segment_size = segment_size;
  batch.max_bytes = MaxSendBytes(path.remote.address.family());
  batch.epoch = lane.epoch;
  batch.created = ++created_;
  InsertByPosition(lane, index);
}

void PeerLanes::InsertByPosition(Lane& lane, BatchIndex index) {
  GsoBatch& batch = batches_[index];
  BatchIndex before = lane.last;
  while (before != kNoBatch && batches_[before].epoch == batch.epoch &&
         batches_[before].segment_size < batch.segment_size) {
    before = batches_[before].previous;
  }
  const BatchIndex after = before == kNoBatch ? lane.first : batches_[before].next;
  batch.previous = before;
  batch.next = after;
  (before == kNoBatch ? lane.first : batches_[before].next) = index;
  (after == kNoBatch ? lane.last : batches_[after].previous) = index;
}

bool PeerLanes::StartEpoch(std::uint32_t peer) {
  const LaneIndex index = LaneOf(peer);
  if (index == kNoLane) {
    return false;
  }
  Lane& lane = lanes_[index];
  for (BatchIndex i = lane.first; i != kNoBatch; i = batches_[i].next) {
    batches_[i].is_sealed = true;
  }
  lane.epoch = ++epoch_;
  return true;
}

void PeerLanes::CloseFirstEpoch(LaneIndex lane_index) {
  Lane& lane = lanes_[lane_index];
  const std::uint64_t closed = batches_[lane.first].epoch;
  for (BatchIndex i = lane.first; i != kNoBatch && batches_[i].epoch == closed;
       i = batches_[i].next) {
    batches_[i].is_sealed = true;
  }
  if (lane.epoch == closed) {
    lane.epoch = ++epoch_;
  }
}

void PeerLanes::Remove(BatchIndex index) {
  GsoBatch& batch = batches_[index];
  const LaneIndex lane_index = LaneOf(batch.peer);
  assert(lane_index != kNoLane);
  Lane& lane = lanes_[lane_index];
  (batch.previous == kNoBatch ? lane.first : batches_[batch.previous].next) = batch.next;
  (batch.next == kNoBatch ? lane.last : batches_[batch.next].previous) = batch.previous;
  batch.previous = batch.next = kNoBatch;
  batch.count = batch.bytes = batch.sent = 0;
  batch.is_sealed = false;
  batch.flows.Clear();
  if (lane.first == kNoBatch) {
    CloseLane(lane_index);
  }
}

LaneIndex PeerLanes::LaneOf(std::uint32_t peer) const {
  LaneIndex index = buckets_[BucketOf(peer)];
  while (index != kNoLane && lanes_[index].peer != peer) {
    index = lanes_[index].next_in_bucket;
  }
  return index;
}

LaneIndex PeerLanes::OpenLane(std::uint32_t peer) {
  // Every lane in use has a batch, and the batch about to go here has a buffer: there is one.
  assert(free_lane_count_ > 0);
  const LaneIndex index = free_lanes_[--free_lane_count_];
  Lane& lane = lanes_[index];
  LaneIndex& bucket = buckets_[BucketOf(peer)];
  lane = {.peer = peer, .epoch = ++epoch_, .next_in_bucket = bucket};
  bucket = index;

  // In front of the one whose turn it is: all others come first.
  if (next_turn_ == kNoLane) {
    lane.before = lane.after = next_turn_ = index;
    return index;
  }
  Lane& turn = lanes_[next_turn_];
  lane.after = next_turn_;
  lane.before = turn.before;
  lanes_[turn.before].after = index;
  turn.before = index;
  return index;
}

void PeerLanes::CloseLane(LaneIndex index) {
  const Lane& lane = lanes_[index];
  LaneIndex* link = &buckets_[BucketOf(lane.peer)];
  while (*link != index) {
    link = &lanes_[*link].next_in_bucket;
  }
  *link = lane.next_in_bucket;

  const bool is_only_lane = lane.after == index;
  if (next_turn_ == index) {
    next_turn_ = is_only_lane ? kNoLane : lane.after;
  }
  lanes_[lane.before].after = lane.after;
  lanes_[lane.after].before = lane.before;
  free_lanes_[free_lane_count_++] = index;
}

bool PeerLanes::LaneInvariantsHold(const Lane& lane, std::size_t& batches) const {
  const GsoBatch* previous = nullptr;
  for (BatchIndex i = lane.first; i != kNoBatch; i = batches_[i].next) {
    const GsoBatch& batch = batches_[i];
    ++batches;
    const bool belongs_here = batch.peer == lane.peer && batch.epoch <= lane.epoch;
    const bool is_whole = batch.count > 0 && batch.sent < batch.count &&
                          batch.count <= kMaxSegmentsPerSend && batch.bytes <= batch.max_bytes &&
                          batch.bytes > (batch.count - 1) * batch.segment_size &&
                          batch.bytes <= batch.count * batch.segment_size;
    const bool is_touched_only_if_sealed = batch.sent == 0 || batch.is_sealed;
    const bool knows_its_last = batch.flows.MayHold(batch.last_flow);
    if (!belongs_here || !is_whole || !is_touched_only_if_sealed || !knows_its_last) {
      return false;
    }
    if (previous != nullptr) {
      const bool is_in_later_epoch = previous->epoch < batch.epoch;
      const bool is_smaller = previous->segment_size > batch.segment_size;
      const bool is_younger =
          previous->segment_size == batch.segment_size && previous->created < batch.created;
      const bool is_behind =
          is_in_later_epoch || (previous->epoch == batch.epoch && (is_smaller || is_younger));
      if (!is_behind || batch.sent > 0) {
        return false;
      }
    }
    previous = &batch;
  }
  return previous != nullptr && &batches_[lane.last] == previous;
}

bool PeerLanes::InvariantsHold(std::size_t batches_in_use) const {
  std::size_t batches = 0;
  std::size_t lanes = 0;
  if (next_turn_ != kNoLane) {
    LaneIndex index = next_turn_;
    do {
      const Lane& lane = lanes_[index];
      const bool is_linked = lanes_[lane.after].before == index && LaneOf(lane.peer) == index;
      if (!is_linked || !LaneInvariantsHold(lane, batches) || ++lanes > kBufferCount) {
        return false;
      }
      index = lane.after;
    } while (index != next_turn_);
  }
  return batches == batches_in_use && lanes + free_lane_count_ == kBufferCount;
}

}  // namespace adit::io
