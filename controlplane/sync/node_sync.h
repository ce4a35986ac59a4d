#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <absl/status/status.h>

#include "common/state_digest.h"
#include "common/time.h"
#include "controlplane/sync/messages.h"

namespace adit::sync {

// Bounds of one session, as data.
struct SyncLimits {
  std::size_t chunk_bytes = std::size_t{1} << 20;  // of keys and bodies in a snapshot's chunk
  Duration answer_timeout = seconds(10);           // update sent, no Ack or Nack: close
  Duration ping_interval = seconds(5);
  Duration pong_timeout = seconds(10);   // after a Ping: close
  Duration retry_interval = seconds(5);  // after a refusal that names no object
  int max_refusals = 64;                 // answered at once, without an Ack between them
};

// How far a change has come at the node.
struct Outcome {
  enum class State {
    kPending,   // connected, not answered yet: NO_ANSWER once the caller's patience ends
    kAcked,     // applied and acknowledged
    kRejected,  // the data plane refused `rejections`; the rest is applied
    kRefused,   // the data plane refused it whole, see NodeSync::problem; it is sent again
    kOffline,   // not connected since NodeSync::since()
  };
  State state = State::kPending;
  std::vector<Rejection> rejections;
};

// Keeps one node's data plane at the node's view: decides what to send, and knows what came of it.
// Sans-IO: it is told what happened and polled for what to say. It knows objects as bytes.
//
//   1. Handle* whatever happened (a change of the view, a message, the time);
//   2. PollMessage until nullopt, sending each;
//   3. if PollProgress, look at OutcomeFor for each call that waits;
//   4. HandleTick at next_deadline() at the latest.
//
// - At most one update is in flight. Later changes coalesce per object, and go out together when
//   the answer has come. A change that this view does not touch needs no message.
// - A Nack names objects: they are REJECTED here, and a cumulative update without them (and
//   without grants that need them) goes out at once: a refused object never delays a removal. If
//   the data plane held an older version of a refused object, that is removed: refused means
//   denied. A REJECTED object is tried again when it changes, when the node connects, and when an
//   object that the data plane named as its cure changes or is rejected itself.
// - Whatever does not fit (gap, unknown epoch, another digest, needs_snapshot, an answer that
//   contradicts what was sent) ends in a snapshot.
// - A Nack that names neither objects nor a snapshot (a full disk): the update is sent again after
//   retry_interval, or with the next change. So too after max_refusals in a row: a data plane must
//   not keep the hub busy.
// - When the data plane reconnects with the epoch, a revision and digest that are known, it
//   resumes: with nothing, or a delta.
//
// Memory: the view's bodies once, the bodies of what changed since the last acknowledgement, and
// while a snapshot is being polled its copy.
// Thread: any one at a time.
class NodeSync {
 public:
  // `epoch` of the store. The view is empty at revision 0 until the first HandleViewChange.
  NodeSync(std::string epoch, const Now& now, const SyncLimits& limits = {});

  // The view at `revision`, as what is different from before; empty for a change that does not
  // touch it. Revisions never go back: the first call brings the whole view.
  void HandleViewChange(std::uint64_t revision, std::vector<Object> upserts,
                        std::span<const ObjectId> removals, const Now& now);

  // A data plane connected; a session that was there is over. FAILED_PRECONDITION when it has
  // applied a later revision of this epoch than the store holds (an older copy of the store was
  // put back): nothing can be sent to it; refuse it with the text. The session is not begun.
  absl::Status HandleHello(const Hello& hello, const Now& now);
  // An answer with a nonce that is not in flight is ignored.
  void HandleAck(const Ack& ack, const Now& now);
  void HandleNack(const Nack& nack, const Now& now);
  void HandlePong(std::uint64_t nonce, const Now& now);
  void HandleDisconnected(const Now& now);
  void HandleTick(const Now& now);

  // The time to answer an update counts from when its last message was polled.
  [[nodiscard]] std::optional<Message> PollMessage(const Now& now);
  // True once after something that OutcomeFor or the accessors tell has changed.
  [[nodiscard]] bool PollProgress();
  [[nodiscard]] Instant next_deadline() const;  // Instant::Max(): none

  // `changed`: the objects that the change at `revision` removed or put in this view. Refusals of
  // others are not this change's.
  [[nodiscard]] Outcome OutcomeFor(std::uint64_t revision, std::span<const ObjectId> changed) const;

  [[nodiscard]] bool is_connected() const { return is_connected_; }
  [[nodiscard]] WallTime since() const { return since_; }  // connected, or not, since when
  [[nodiscard]] std::uint64_t revision() const { return revision_; }
  // The data plane has applied all of this revision but the rejected objects.
  [[nodiscard]] std::uint64_t settled_revision() const { return settled_revision_; }
  [[nodiscard]] WallTime settled_at() const { return settled_at_; }
  // How long the last update took, from making it to its acknowledgement; zero: there was none.
  [[nodiscard]] Duration answered_in() const { return answered_in_; }
  [[nodiscard]] std::vector<Rejection> rejections() const;  // ordered by object
  // Why the node cannot be brought up to date, when it refuses without naming objects; else "".
  [[nodiscard]] const std::string& problem() const { return problem_; }
  // Of the view, with what is rejected.
  [[nodiscard]] std::size_t object_count() const { return view_.size(); }

 private:
  using Body = std::optional<std::string>;  // nullopt: the object is not there

  // An update whose answer has not come.
  struct InFlight {
    std::uint64_t nonce = 0;
    bool is_snapshot = false;
    std::uint64_t to = 0;
    Instant began;
    StateDigest digest;             // of the data plane's state after it
    std::map<ObjectId, Body> sent;  // delta: what it makes of each object it names
    Instant deadline;
  };

  // What is held is known, or will be once the snapshot in flight is acknowledged.
  [[nodiscard]] bool IsTrackingHeld() const;
  [[nodiscard]] bool IsWithheld(const ObjectId& id) const;
  // What the data plane should hold; nullptr: nothing.
  [[nodiscard]] const std::string* Wanted(const ObjectId& id) const;
  // Call before Wanted(id) changes: keeps what the data plane holds.
  void NoteHeld(const ObjectId& id);
  void NoteDependents(const ObjectId& id);
  void Withhold(const Rejection& rejection);
  // No longer rejected, nor what waits for it.
  void Release(const ObjectId& id);
  void ReleaseCuredBy(const ObjectId& id);
  void ReleaseAll();
  // Is another body wanted than the update in flight leaves?
  [[nodiscard]] bool HasChangedSinceSent(const ObjectId& id) const;
  // Withholds what the Nack names and what was sent is still wanted. False: it names nothing of
  // the update.
  bool TakeRejections(const Nack& nack);

  void Recognize(const Hello& hello, const Now& now);
  void ForgetHeld();
  void BeginIfIdle(const Now& now);
  void BeginSnapshot(const Now& now);
  void BeginDelta(const Now& now);
  void Acknowledge(const Now& now);  // what is in flight has been applied
  void Settle(std::uint64_t revision, const Now& now);
  // What was sent to bring the data plane to `revision` was refused whole.
  void PostponeAttempt(std::uint64_t revision, const std::string& problem, const Now& now);
  void CloseSession(std::string reason);

  const std::string epoch_;
  const SyncLimits limits_;

  std::map<ObjectId, std::string> view_;
  std::uint64_t revision_ = 0;
  std::map<ObjectId, Rejection> rejected_;
  std::set<std::pair<ObjectId, ObjectId>> cures_;  // a cure, and the rejected object that has it

  // What the data plane holds, as far as it is known: what is wanted, except for the objects in
  // held_, of which it holds these bodies.
  bool is_held_known_ = false;  // false: only a snapshot helps
  std::map<ObjectId, Body> held_;
  std::uint64_t held_revision_ = 0;
  StateDigest held_digest_;

  std::optional<InFlight> in_flight_;  // kept over a disconnection: it may have been applied
  std::deque<Message> outgoing_;
  std::uint64_t last_nonce_ = 0;
  Instant next_attempt_;       // no update before: what was refused is not sent again at once
  int refusals_in_a_row_ = 0;  // since an Ack, a Hello or a change of the view

  bool is_connected_ = false;
  bool is_closing_ = false;
  WallTime since_;
  std::uint64_t settled_revision_ = 0;
  WallTime settled_at_;
  Duration answered_in_{0};
  bool has_progress_ = false;
  std::string problem_;
  std::uint64_t refused_revision_ = 0;  // with problem_: of what was refused

  Instant next_ping_ = Instant::Max();
  Instant pong_deadline_ = Instant::Max();
  std::uint64_t ping_nonce_ = 0;
};

}  // namespace adit::sync
