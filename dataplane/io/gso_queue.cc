#include "dataplane/io/gso_queue.h"

#include <cassert>

namespace adit::io {

static_assert(sizeof(GsoQueue) <= std::size_t{64} * 1024, "all but the buffers fits in 64 KiB");

GsoQueue::GsoQueue() = default;

packet::Reservation GsoQueue::ReserveTrain(const packet::TrainRequest& request,
                                           const packet::DatagramPath& path,
                                           packet::SendClass send_class) {
  assert(!pending_.is_outstanding);
  const bool is_sendable = request.count > 0 && request.last_size > 0 &&
                           request.last_size <= request.segment_size &&
                           request.segment_size <= kMaxSegmentSize && path.remote.is_set();
  if (!is_sendable) {
    return {};
  }

  const Train train = Train::Of(request);
  const LanePlacement placement = lanes_.Place(request.peer, train, path);
  const bool joins = placement.join != kNoBatch;
  const std::uint32_t max_bytes = MaxSendBytes(path.remote.address.family());
  const std::uint32_t per_batch = std::min(kMaxSegmentsPerSend, max_bytes / train.segment_size);

  std::uint32_t granted = 0;
  std::uint8_t* begin = nullptr;
  if (joins) {
    const GsoBatch& batch = lanes_.batch(placement.join);
    granted = DatagramsThatFit(train, batch.count, batch.bytes, batch.max_bytes);
    begin = buffers_.BytesOf(placement.join) + batch.bytes;
  }

  // Nobody is left with half a train: the pieces that follow are counted here.
  const std::uint32_t buffers_needed = (train.count - granted + per_batch - 1) / per_batch;
  const std::size_t reserve =
      send_class == packet::SendClass::kSlowPath ? kBuffersPerSuperPacket : 0;
  const bool has_room = buffers_needed == 0 || buffers_.free_count() >= buffers_needed + reserve;
  if (!has_room) {
    was_slow_path_refused_ |= send_class == packet::SendClass::kSlowPath;
    return {};
  }

  if (!joins) {
    granted = DatagramsThatFit(train, 0, 0, max_bytes);
    begin = buffers_.BytesOf(buffers_.NextFree());
  }
  const bool has_last = granted == train.count;
  const std::uint32_t bytes = has_last ? (granted - 1) * train.segment_size + train.last_size
                                       : granted * train.segment_size;
  assert(granted > 0 && bytes <= max_bytes);

  pending_ = {.is_outstanding = true,
              .placement = placement,
              .train = train,
              .path = path,
              .peer = request.peer,
              .count = granted,
              .bytes = bytes};
  return {{begin, bytes}, granted};
}

void GsoQueue::Commit() {
  assert(pending_.is_outstanding);
  pending_.is_outstanding = false;
  BatchIndex index = pending_.placement.join;
  if (index == kNoBatch) {
    index = buffers_.Take();
    lanes_.Open(index, pending_.placement, pending_.peer, pending_.train.segment_size,
                pending_.path);
    ++counters_.batches;
    if (pending_.placement.starts_epoch) {
      ++counters_.epochs;
    }
  }
  lanes_.batch(index).Append(pending_.train, pending_.count, pending_.bytes);
}

void GsoQueue::Rollback() {
  assert(pending_.is_outstanding);
  pending_.is_outstanding = false;
}

bool GsoQueue::SendControl(ByteSpan datagram, const packet::DatagramPath& path,
                           packet::ControlKind kind) {
  const ControlLane::Added added = control_.Add(
      datagram, path, kind, {families_[0].is_suspended(), families_[1].is_suspended()});
  if (added == ControlLane::Added::kInPlaceOfAnother) {
    ++counters_.control_evicted;
  }
  return added != ControlLane::Added::kNo;
}

void GsoQueue::StartEpoch(std::uint32_t peer) {
  assert(!pending_.is_outstanding);
  if (lanes_.StartEpoch(peer)) {
    ++counters_.epochs;
  }
}

std::uint32_t GsoQueue::Discard(std::uint32_t peer) {
  assert(!pending_.is_outstanding);
  std::uint32_t discarded = 0;
  for (LaneIndex lane = lanes_.LaneOf(peer); lane != kNoLane; lane = lanes_.LaneOf(peer)) {
    const BatchIndex first = lanes_.FirstOf(lane);
    discarded += lanes_.batch(first).count - lanes_.batch(first).sent;
    RemoveBatch(first);
  }
  return discarded;
}

void GsoQueue::HandleWritable(IpFamily family) {
  FamilyState& state = families_[IndexOf(family)];
  if (state.wait == FamilyState::Wait::kWritable) {
    state.wait = FamilyState::Wait::kNone;
  }
}

void GsoQueue::HandleRouteEvent() { refusals_.HandleRouteEvent(); }

void GsoQueue::HandleSocketReplaced(IpFamily family, bool bears_gso) {
  refusals_.HandleSocketReplaced(family, bears_gso);
  FamilyState& state = families_[IndexOf(family)];
  state.wait = FamilyState::Wait::kNone;
  state.retry_at = Instant::Max();
  state.not_writable_since = Instant::Max();
}

bool GsoQueue::InvariantsHold() const {
  const std::size_t in_use = kBufferCount - buffers_.free_count();
  if (!lanes_.InvariantsHold(in_use)) {
    return false;
  }
  for (const FamilyState& family : families_) {
    if (family.half_sent == kNoLane) {
      continue;
    }
    const GsoBatch& first = lanes_.batch(lanes_.FirstOf(family.half_sent));
    if (first.sent == 0) {
      return false;
    }
  }
  return true;
}

}  // namespace adit::io
