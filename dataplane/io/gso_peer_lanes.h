#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "dataplane/io/gso_batch.h"
#include "dataplane/io/gso_buffers.h"
#include "dataplane/packet/datagram_sink.h"

namespace adit::io {

// Where a train goes. Neither a lane nor a batch: the peer has nothing queued.
struct LanePlacement {
  LaneIndex lane = kNoLane;    // the peer's, when it has one
  BatchIndex join = kNoBatch;  // append to this one; else open a batch
  bool starts_epoch = false;   // the batch opened must be the first of a later epoch
};

// The batches of every peer that has some, in the order in which they leave.
//
// A batch's position is (epoch, -segment size, order of creation), and a lane is one peer's batches
// by position: the list's order *is* the position. For a datagram of flow f let `last` be the
// lane's last batch that may hold f. Then f stays in order if the datagram
//
//   joins an open batch of equal attributes at or behind `last` (equal in size, or as the short
//   end of its own train); or opens a batch that belongs at or behind `last`; or, where neither is
//   possible, opens the first batch of a later epoch, which leaves after all that is there.
//
// Lanes form a ring in which they take turns. Nothing is allocated; a peer without batches has no
// lane, so that a million peers cost nothing.
class PeerLanes {
 public:
  PeerLanes();

  [[nodiscard]] const GsoBatch& batch(BatchIndex index) const { return batches_[index]; }
  [[nodiscard]] GsoBatch& batch(BatchIndex index) { return batches_[index]; }

  // --- filling
  [[nodiscard]] LanePlacement Place(std::uint32_t peer, const Train& train,
                                    const packet::DatagramPath& path) const;
  // Puts an empty batch, whose index is that of a buffer just taken, where the placement says.
  void Open(BatchIndex index, LanePlacement placement, std::uint32_t peer,
            std::uint32_t segment_size, const packet::DatagramPath& path);
  // Nothing joins what the peer has queued, and what follows leaves after it. False: it has none.
  bool StartEpoch(std::uint32_t peer);

  // --- draining
  [[nodiscard]] bool empty() const { return next_turn_ == kNoLane; }
  // The lane whose turn it is, and the one after a lane: a ring of all of them.
  [[nodiscard]] LaneIndex next_turn() const { return next_turn_; }
  [[nodiscard]] LaneIndex After(LaneIndex lane) const { return lanes_[lane].after; }
  void SetNextTurn(LaneIndex lane) { next_turn_ = lane; }
  [[nodiscard]] BatchIndex FirstOf(LaneIndex lane) const { return lanes_[lane].first; }
  // The lane's first epoch is about to meet the socket: its batches are sealed, and what is opened
  // from then on belongs to a later one.
  void CloseFirstEpoch(LaneIndex lane);
  // Takes the batch out; a lane without batches ceases to be, and the turn goes past it.
  void Remove(BatchIndex index);
  [[nodiscard]] LaneIndex LaneOf(std::uint32_t peer) const;

  [[nodiscard]] std::uint64_t batches_opened() const { return created_; }
  [[nodiscard]] bool InvariantsHold(std::size_t batches_in_use) const;

 private:
  struct Lane {
    std::uint32_t peer = 0;
    std::uint64_t epoch = 0;      // of the batches opened from now on
    BatchIndex first = kNoBatch;  // by position; never none while the lane is in use
    BatchIndex last = kNoBatch;
    LaneIndex before = kNoLane;  // the ring of turns
    LaneIndex after = kNoLane;
    LaneIndex next_in_bucket = kNoLane;
  };

  static constexpr std::size_t kBuckets = 128;
  static std::size_t BucketOf(std::uint32_t peer) { return (peer * 0x9E3779B1U) >> 25; }

  LaneIndex OpenLane(std::uint32_t peer);
  void CloseLane(LaneIndex index);
  void InsertByPosition(Lane& lane, BatchIndex index);
  [[nodiscard]] bool LaneInvariantsHold(const Lane& lane, std::size_t& batches) const;

  std::array<GsoBatch, kBufferCount> batches_;
  std::array<Lane, kBufferCount> lanes_;
  std::array<LaneIndex, kBufferCount> free_lanes_;
  std::size_t free_lane_count_ = kBufferCount;
  std::array<LaneIndex, kBuckets> buckets_;
  LaneIndex next_turn_ = kNoLane;
  std::uint64_t epoch_ = 0;  // the greatest given out; never used twice, whatever the peer
  std::uint64_t created_ = 0;
};

}  // namespace adit::io
