#include <algorithm>
#include <cassert>

#include "dataplane/io/gso_queue.h"

// The consumer's side of GsoQueue: what leaves when, and what happens when the kernel refuses.
namespace adit::io {

// Datagrams on their way to the socket: a batch, or one control datagram.
struct GsoQueue::Outgoing {
  ByteSpan bytes;
  std::uint32_t segment_size = 0;
  std::uint32_t count = 0;
  std::uint32_t sent = 0;  // advances with what leaves; what was dropped counts as neither
  packet::DatagramPath& path;
  bool is_control = false;
  std::uint32_t peer = 0;
  std::uint64_t epoch = 0;
};

const DrainReport& GsoQueue::Drain(BatchSender& sender, Instant now) {
  assert(!pending_.is_outstanding);
  report_.sends = report_.data_datagrams = report_.control_datagrams = 0;
  report_.refusals.Clear();
  report_.forgotten_sources.Clear();
  no_buffers_attempts_ = 0;
  was_slow_path_refused_ = SlowPathWaits();
  for (FamilyState& family : families_) {
    const bool has_waited = family.wait == FamilyState::Wait::kBuffers && now >= family.retry_at;
    if (!has_waited) {
      continue;
    }
    family.wait = FamilyState::Wait::kNone;
    family.retry_at = Instant::Max();
  }

  DrainControl(sender, now);
  DrainData(sender, now);

  report_.retry_at = Instant::Max();
  for (std::size_t i = 0; i < kFamilyCount; ++i) {
    FamilyState& family = families_[i];
    // Nothing was refused for want of room, or nothing was there to be: no wait goes on.
    if (!family.is_suspended()) {
      family.not_writable_since = Instant::Max();
    }
    report_.await_writable[i] = family.wait == FamilyState::Wait::kWritable;
    report_.retry_at = std::min(report_.retry_at, family.retry_at);
  }
  assert(InvariantsHold());
  return report_;
}

// A family that waits for its socket is tried once with control: a full socket takes a small
// datagram before the poller calls it writable. Where control has to wait, so has data.
void GsoQueue::DrainControl(BatchSender& sender, Instant now) {
  std::array<bool, kFamilyCount> must_wait{};
  for (std::size_t i = 0; i < kFamilyCount; ++i) {
    must_wait[i] = families_[i].wait == FamilyState::Wait::kBuffers;
  }
  for (std::size_t i = 0; i < control_.size();) {
    ControlLane::Entry& entry = control_.At(i);
    bool& family_waits = must_wait[IndexOf(entry.path.remote.address.family())];
    if (family_waits) {
      ++i;
      continue;
    }
    Outgoing outgoing{.bytes = entry.datagram(),
                      .segment_size = entry.size,
                      .count = 1,
                      .path = entry.path,
                      .is_control = true,
                      .peer = ForgottenSource::kNoPeer};
    family_waits = SendAll(outgoing, sender, now) == Outcome::kSuspended;
    if (!family_waits) {
      control_.RemoveAt(i);
    }
  }
}

void GsoQueue::DrainData(BatchSender& sender, Instant now) {
  for (FamilyState& family : families_) {
    const bool can_resume = family.half_sent != kNoLane && !family.is_suspended();
    if (can_resume) {
      ServeLane(family.half_sent, sender, now);
    }
  }
  for (LaneIndex lane = NextServable(); lane != kNoLane; lane = NextServable()) {
    ServeLane(lane, sender, now);
  }
}

// The first lane, from the one whose turn it is, whose next batch need not wait for its socket.
// (What is behind a batch that waits, waits with it, whatever its family.)
LaneIndex GsoQueue::NextServable() const {
  const LaneIndex start = lanes_.next_turn();
  if (start == kNoLane) {
    return kNoLane;
  }
  LaneIndex lane = start;
  do {
    const GsoBatch& first = lanes_.batch(lanes_.FirstOf(lane));
    if (!families_[IndexOf(first.path.remote.address.family())].is_suspended()) {
      return lane;
    }
    lane = lanes_.After(lane);
  } while (lane != start);
  return kNoLane;
}

// One whole batch, the lane's first.
void GsoQueue::ServeLane(LaneIndex lane, BatchSender& sender, Instant now) {
  lanes_.CloseFirstEpoch(lane);
  const BatchIndex index = lanes_.FirstOf(lane);
  GsoBatch& batch = lanes_.batch(index);
  Outgoing outgoing{.bytes = {buffers_.BytesOf(index), batch.bytes},
                    .segment_size = batch.segment_size,
                    .count = batch.count,
                    .sent = batch.sent,
                    .path = batch.path,
                    .peer = batch.peer,
                    .epoch = batch.epoch};
  const Outcome outcome = SendAll(outgoing, sender, now);
  batch.sent = outgoing.sent;
  if (outcome == Outcome::kSuspended) {
    // Still its turn: it was not served.
    lanes_.SetNextTurn(lane);
    if (batch.sent > 0) {
      StateOf(batch.path).half_sent = lane;
    }
    return;
  }
  lanes_.SetNextTurn(lanes_.After(lane));
  RemoveBatch(index);
}

// Finished: all were sent, or what was left was dropped. Suspended: the first unsent one waits.
GsoQueue::Outcome GsoQueue::SendAll(Outgoing& outgoing, BatchSender& sender, Instant now) {
  FamilyState& family = StateOf(outgoing.path);
  Attempt attempt;
  for (;;) {
    const std::uint32_t left = outgoing.count - outgoing.sent;
    attempt.used_gso = left > 1 && refusals_.AllowsGso(outgoing.path.remote.address, now);
    attempt.has_source = outgoing.path.source != packet::LocalSource{};
    const SendResult result = sender.Send(
        {.bytes = outgoing.bytes.subspan(std::size_t{outgoing.sent} * outgoing.segment_size),
         .segment_size = outgoing.segment_size,
         .count = left,
         .path = outgoing.path,
         .use_gso = attempt.used_gso,
         .is_control = outgoing.is_control,
         .peer = outgoing.peer,
         .epoch = outgoing.epoch});
    assert(result.datagrams_sent <= left);
    ++report_.sends;
    ++counters_.sends;
    if (result.datagrams_sent > 0) {
      NoteSent(outgoing, result.datagrams_sent, attempt.used_gso, now);
      outgoing.sent += result.datagrams_sent;
      attempt.was_sent_again = false;  // the error belongs to another datagram than the last one
    }
    if (outgoing.sent == outgoing.count) {
      return Outcome::kFinished;
    }
    const bool was_cut_short = result.datagrams_sent > 0 && result.error == 0;
    if (was_cut_short) {
      continue;
    }

    const Remedy remedy = RemedyFor(result.error, attempt);
    NoteRemedy(result.error, remedy, outgoing.path);
    switch (remedy) {
      case Remedy::kAwaitWritable:
        Suspend(family, FamilyState::Wait::kWritable, now);
        return Outcome::kSuspended;
      case Remedy::kAwaitBuffers:
        if (AwaitBuffers(sender)) {
          break;
        }
        Suspend(family, FamilyState::Wait::kBuffers, now);
        return Outcome::kSuspended;
      case Remedy::kSendAgain:
        attempt.was_sent_again = true;
        break;
      case Remedy::kWithoutSource:
        report_.forgotten_sources.Add({outgoing.peer, outgoing.path.source});
        outgoing.path.source = {};
        break;
      case Remedy::kWithoutGsoToDestination:
        refusals_.TurnGsoOffTo(outgoing.path.remote.address, now);
        break;
      case Remedy::kWithoutGsoOnSocket:
        refusals_.TurnGsoOffOnSocket(outgoing.path.remote.address.family());
        break;
      case Remedy::kDrop:
        NoteDropped(result.error, outgoing.count - outgoing.sent);
        return Outcome::kFinished;
    }
  }
}

// Spins or yields once. False: this drain has waited for a millisecond altogether.
bool GsoQueue::AwaitBuffers(BatchSender& sender) {
  return sender.PauseForBuffers(no_buffers_attempts_++);
}

void GsoQueue::Suspend(FamilyState& family, FamilyState::Wait wait, Instant now) {
  if (!family.is_suspended()) {
    ++counters_.suspends[static_cast<std::size_t>(&family - &families_[0])];
  }
  family.wait = wait;
  family.not_writable_since = std::min(family.not_writable_since, now);
  family.retry_at = wait == FamilyState::Wait::kBuffers ? now + kNoBuffersRetry : Instant::Max();
}

void GsoQueue::NoteSent(const Outgoing& outgoing, std::uint32_t datagrams, bool used_gso,
                        Instant now) {
  FamilyState& family = StateOf(outgoing.path);
  // Control may get through while data waits: the wait begins anew.
  family.not_writable_since = family.is_suspended() ? now : Instant::Max();
  if (outgoing.is_control) {
    report_.control_datagrams += datagrams;
    counters_.control_datagrams += datagrams;
    return;
  }
  report_.data_datagrams += datagrams;
  counters_.data_datagrams += datagrams;
  if (used_gso) {
    ++counters_.gso_sends;
  }
  const bool was_cut_from_train = !used_gso && outgoing.count > 1;
  if (was_cut_from_train) {
    counters_.datagrams_without_gso += datagrams;
  }
}

void GsoQueue::NoteRemedy(int error, Remedy remedy, const packet::DatagramPath& path) {
  ++counters_.remedies[static_cast<std::size_t>(remedy)];
  const bool is_ordinary = remedy == Remedy::kAwaitWritable || remedy == Remedy::kAwaitBuffers;
  if (!is_ordinary && refusals_.IsFirst(error, remedy)) {
    report_.refusals.Add({error, remedy, path.remote});
  }
}

void GsoQueue::NoteDropped(int error, std::uint32_t datagrams) {
  counters_.refused_datagrams += datagrams;
  counters_.refused_by_errno[ErrnoIndex(error)] += datagrams;
}

void GsoQueue::RemoveBatch(BatchIndex index) {
  const GsoBatch& batch = lanes_.batch(index);
  FamilyState& family = StateOf(batch.path);
  const bool was_half_sent = batch.sent > 0 && family.half_sent == lanes_.LaneOf(batch.peer);
  if (was_half_sent) {
    family.half_sent = kNoLane;
  }
  lanes_.Remove(index);
  buffers_.GiveBack(index);
}

}  // namespace adit::io
