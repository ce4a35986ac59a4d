#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "common/time.h"
#include "dataplane/io/gso_batch.h"
#include "dataplane/io/gso_buffers.h"
#include "dataplane/io/gso_control_lane.h"
#include "dataplane/io/gso_peer_lanes.h"
#include "dataplane/io/gso_refusals.h"
#include "dataplane/io/gso_send.h"
#include "dataplane/packet/datagram_sink.h"

namespace adit::io {

// Gathers datagrams into batches, each of which leaves with one sendmsg (UDP_SEGMENT, udp(7)).
// Larger trains leave before smaller ones, and never against a flow:
//
//  - Order is kept per peer. A peer's batches leave by *position*: (epoch, larger segment size
//    first, order of creation). A datagram goes where its position is not before that of any
//    datagram of its inner flow that still waits; gso_peer_lanes.h has the rule.
//  - Source, destination and TOS are attributes of a batch: equal within one, no part of the order.
//  - Control datagrams leave before data.
//  - The first attempt to send closes the epoch and seals its batches: nothing joins what an
//    attempt has touched.
//  - Peers take turns by whole batch.
//  - A socket that is not writable suspends its family. Nothing is dropped then, but for the one
//    case of GiveUpIfStuck, and for a peer that may not have it any more (Discard). What the kernel
//    refuses for other reasons: gso_refusals.h.
//  - Everything is allocated by the constructor: kBufferCount buffers of 64 KiB, of which only what
//    is used is ever touched. No free buffer means: no room, do not read TUN.
//
// A turn of the loop, by the shard:
//
//   while (queue.HasRoomForSuperPacket() && ...) engine.HandleTunPacket(...);  // reserve, commit
//   const DrainReport& report = queue.Drain(sender, now.boot);
//   log report.refusals; engine.ForgetSource for report.forgotten_sources;
//   if (queue.IsStuckCheckDue(now.boot)) queue.GiveUpIfStuck({TUN readable?, ...}, now.boot);
//   poll until queue.PollTimeout(), for TUN if there is room, and for the writability of
//   report.await_writable: HandleWritable when it comes, before the next Drain.
//
// Thread: the shard's only.
class GsoQueue final : public packet::DatagramSink {
 public:
  GsoQueue();
  ~GsoQueue() override = default;
  GsoQueue(const GsoQueue&) = delete;
  GsoQueue& operator=(const GsoQueue&) = delete;

  // Segments longer than this are refused for good (nothing is granted): they fit no datagram.
  static constexpr std::uint32_t kMaxSegmentSize = kMaxSendBytesV6;

  // --- producer
  // A reservation changes nothing: Commit does, and Rollback has nothing to undo. A train that does
  // not fit the batch it joins, or one batch, is granted in pieces: call again for the rest. The
  // first piece is granted only when there is room for the whole train.
  [[nodiscard]] packet::Reservation ReserveTrain(const packet::TrainRequest& request,
                                                 const packet::DatagramPath& path,
                                                 packet::SendClass send_class) override;
  void Commit() override;
  void Rollback() override;
  bool SendControl(ByteSpan datagram, const packet::DatagramPath& path,
                   packet::ControlKind kind) override;
  void StartEpoch(std::uint32_t peer) override;
  std::uint32_t Discard(std::uint32_t peer) override;

  // The worst super-packet would be granted: TUN may be read.
  [[nodiscard]] bool HasRoomForSuperPacket() const {
    return buffers_.free_count() >= kBuffersPerSuperPacket;
  }

  // --- consumer
  // Sends what waits, until nothing does or every family that has something is suspended. No
  // reservation may be outstanding. The report is valid until the next Drain.
  const DrainReport& Drain(BatchSender& sender, Instant now);

  // The poller says that this family's socket is writable.
  void HandleWritable(IpFamily family);
  // A route or an address changed: destinations, and sockets, may bear GSO again; refusals are
  // logged again.
  void HandleRouteEvent();
  // The family's socket was made, or made anew: it is taken to be writable, and to bear GSO as said
  // (UdpSocket::has_gso).
  void HandleSocketReplaced(IpFamily family, bool bears_gso = true);

  // What GiveUpIfStuck cannot know by itself.
  struct Underlay {
    bool tun_is_readable = false;
    // By family: a peer that has its endpoint there carried data in the last 10 s.
    std::array<bool, kFamilyCount> carried_data_recently{};
  };
  // A family that has not been writable for 250 ms while it keeps TUN, which is readable, from
  // being read, or the slow path from what it asked for, and a peer of the other family carried
  // data lately, gives up its oldest batches, so that a dead uplink cannot stop the peers behind
  // the live one. A family that is itself not writable for as long is not live. Returns the number
  // of datagrams given up.
  std::uint32_t GiveUpIfStuck(const Underlay& underlay, Instant now);
  // A family has been unwritable for so long, and room is wanting. (Else there is no need to find
  // out who waits for it.)
  [[nodiscard]] bool IsStuckCheckDue(Instant now) const { return PollStuckCheck() <= now; }
  static constexpr Duration kStuckAfter = milliseconds(250);

  // When Drain or GiveUpIfStuck has something to do though nothing else happens. Max(): never.
  [[nodiscard]] Instant PollTimeout() const;

  [[nodiscard]] bool IsEmpty() const { return lanes_.empty() && control_.empty(); }
  [[nodiscard]] const GsoCounters& counters() const { return counters_; }

  // Walks everything and checks what must always hold. For tests and assertions.
  [[nodiscard]] bool InvariantsHold() const;

 private:
  // How long a family without kernel buffers waits: its socket polls writable meanwhile.
  static constexpr Duration kNoBuffersRetry = milliseconds(1);
  // While a family is stuck but must not give up, the question is asked this often.
  static constexpr Duration kStuckCheckInterval = milliseconds(20);
  // Giving up frees so many buffers, that the live family has room to fill trains.
  static constexpr std::size_t kBuffersFreedWhenStuck = kBufferCount / 4;

  // Whether a family's socket takes datagrams, as far as is known.
  struct FamilyState {
    enum class Wait : std::uint8_t { kNone, kWritable, kBuffers };
    Wait wait = Wait::kNone;
    Instant retry_at = Instant::Max();  // of kBuffers
    // Since when nothing was sent though something waits. A poller that says "writable" does not
    // end it: a datagram does, or a drain that finds nothing to send.
    Instant not_writable_since = Instant::Max();
    LaneIndex half_sent = kNoLane;  // its first batch was sent in part: first among data

    [[nodiscard]] bool is_suspended() const { return wait != Wait::kNone; }
  };

  // A reservation: what Commit will do.
  struct Pending {
    bool is_outstanding = false;
    LanePlacement placement;
    Train train;
    packet::DatagramPath path;
    std::uint32_t peer = 0;
    std::uint32_t count = 0;
    std::uint32_t bytes = 0;
  };

  FamilyState& StateOf(const packet::DatagramPath& path) {
    return families_[IndexOf(path.remote.address.family())];
  }

  // gso_drain.cc
  struct Outgoing;
  enum class Outcome : std::uint8_t { kFinished, kSuspended };
  void DrainControl(BatchSender& sender, Instant now);
  void DrainData(BatchSender& sender, Instant now);
  [[nodiscard]] LaneIndex NextServable() const;
  void ServeLane(LaneIndex lane, BatchSender& sender, Instant now);
  Outcome SendAll(Outgoing& outgoing, BatchSender& sender, Instant now);
  void NoteSent(const Outgoing& outgoing, std::uint32_t datagrams, bool used_gso, Instant now);
  void NoteRemedy(int error, Remedy remedy, const packet::DatagramPath& path);
  void NoteDropped(int error, std::uint32_t datagrams);
  bool AwaitBuffers(BatchSender& sender);
  void Suspend(FamilyState& family, FamilyState::Wait wait, Instant now);
  void RemoveBatch(BatchIndex index);

  // gso_stuck.cc
  // Whatever the slow path asks for would be granted.
  [[nodiscard]] bool HasRoomForSlowPath() const {
    return buffers_.free_count() >= 2 * kBuffersPerSuperPacket;
  }
  [[nodiscard]] bool SlowPathWaits() const {
    return was_slow_path_refused_ && !HasRoomForSlowPath();
  }
  [[nodiscard]] Instant PollStuckCheck() const;
  [[nodiscard]] bool IsWaitedFor(IpFamily family) const;
  [[nodiscard]] BatchIndex OldestOf(IpFamily family) const;

  GsoBuffers buffers_;
  PeerLanes lanes_;
  ControlLane control_;
  RefusalMemory refusals_;
  std::array<FamilyState, kFamilyCount> families_{};
  Pending pending_;
  bool was_slow_path_refused_ = false;     // since there was room for it
  std::uint32_t no_buffers_attempts_ = 0;  // in this drain
  Instant next_stuck_check_;
  DrainReport report_;
  GsoCounters counters_;
};

}  // namespace adit::io
