#include "controlplane/sync/node_sync.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/status.h"

// What happened, and what is told of it. What to send of it is in node_sync_updates.cc.
namespace adit::sync {
namespace {

bool IsUpdate(const Message& message) {
  return std::holds_alternative<SnapshotChunk>(message) || std::holds_alternative<Delta>(message);
}

}  // namespace

NodeSync::NodeSync(std::string epoch, const Now& now, const SyncLimits& limits)
    : epoch_(std::move(epoch)), limits_(limits), since_(now.wall) {}

void NodeSync::HandleViewChange(std::uint64_t revision, std::vector<Object> upserts,
                                std::span<const ObjectId> removals, const Now& now) {
  bool is_touched = false;
  for (const ObjectId& id : removals) {
    if (view_.contains(id)) {
      NoteHeld(id);
      Release(id);
      view_.erase(id);
      is_touched = true;
    }
  }
  for (Object& object : upserts) {
    const auto known = view_.find(object.id);
    if (known != view_.end() && known->second == object.body) {
      continue;
    }
    NoteHeld(object.id);
    Release(object.id);
    view_.insert_or_assign(std::move(object.id), std::move(object.body));
    is_touched = true;
  }
  revision_ = std::max(revision_, revision);
  if (is_touched) {
    next_attempt_ = Instant();  // a revocation does not wait for a retry
    refusals_in_a_row_ = 0;
  }
  BeginIfIdle(now);
}

absl::Status NodeSync::HandleHello(const Hello& hello, const Now& now) {
  if (is_connected_) {
    HandleDisconnected(now);
  }
  if (hello.epoch == epoch_ && hello.applied_revision > revision_) {
    return FailedPrecondition(fmt::format(
        "the data plane has applied revision {}, but the store is at {}: an older copy of the "
        "store was put back. Put back a newer one; or, to go on with this one, remove the data "
        "plane's state directory while it is stopped",
        hello.applied_revision, revision_));
  }
  Recognize(hello, now);
  is_connected_ = true;
  since_ = now.wall;
  has_progress_ = true;
  next_attempt_ = Instant();
  refusals_in_a_row_ = 0;
  problem_.clear();
  next_ping_ = now.boot + limits_.ping_interval;
  BeginIfIdle(now);
  return absl::OkStatus();
}

void NodeSync::HandleAck(const Ack& ack, const Now& now) {
  if (!is_connected_ || !in_flight_ || ack.nonce != in_flight_->nonce) {
    return;
  }
  const bool is_complete = std::none_of(outgoing_.begin(), outgoing_.end(), IsUpdate);
  if (is_complete && ack.revision == in_flight_->to && ack.digest == in_flight_->digest.bytes()) {
    Acknowledge(now);
  } else {
    if (in_flight_->is_snapshot) {
      PostponeAttempt(in_flight_->to, "the data plane acknowledges another state than it was sent",
                      now);
    }
    ForgetHeld();
  }
  BeginIfIdle(now);
}

void NodeSync::HandleNack(const Nack& nack, const Now& now) {
  if (!is_connected_ || !in_flight_ || nack.nonce != in_flight_->nonce) {
    return;
  }
  const bool was_snapshot = in_flight_->is_snapshot;
  const std::uint64_t refused = in_flight_->to;
  const bool names_objects = !nack.needs_snapshot && TakeRejections(nack);
  if (was_snapshot || nack.needs_snapshot) {
    ForgetHeld();
  }
  in_flight_.reset();
  std::erase_if(outgoing_, IsUpdate);
  const bool is_answered_by_snapshot = nack.needs_snapshot && !was_snapshot;
  ++refusals_in_a_row_;
  if ((!names_objects && !is_answered_by_snapshot) || refusals_in_a_row_ > limits_.max_refusals) {
    PostponeAttempt(refused, nack.text, now);
  }
  BeginIfIdle(now);
}

void NodeSync::HandlePong(std::uint64_t nonce, const Now& /*now*/) {
  if (nonce == ping_nonce_) {
    pong_deadline_ = Instant::Max();
  }
}

void NodeSync::HandleDisconnected(const Now& now) {
  if (!is_connected_) {
    return;
  }
  is_connected_ = false;
  is_closing_ = false;
  since_ = now.wall;
  has_progress_ = true;
  outgoing_.clear();
  next_ping_ = Instant::Max();
  pong_deadline_ = Instant::Max();
}

void NodeSync::HandleTick(const Now& now) {
  if (!is_connected_ || is_closing_) {
    return;
  }
  if (in_flight_ && now.boot >= in_flight_->deadline) {
    CloseSession(fmt::format("no answer to the update to revision {}", in_flight_->to));
    return;
  }
  if (now.boot >= pong_deadline_) {
    CloseSession("no answer to a ping");
    return;
  }
  if (now.boot >= next_ping_) {
    next_ping_ = now.boot + limits_.ping_interval;
    if (pong_deadline_ == Instant::Max()) {
      ping_nonce_ = ++last_nonce_;
      pong_deadline_ = now.boot + limits_.pong_timeout;
      outgoing_.push_back(Ping{ping_nonce_});
    }
  }
  BeginIfIdle(now);
}

std::optional<Message> NodeSync::PollMessage(const Now& now) {
  if (outgoing_.empty()) {
    return std::nullopt;
  }
  Message message = std::move(outgoing_.front());
  outgoing_.pop_front();
  if (in_flight_ && IsUpdate(message)) {
    in_flight_->deadline = now.boot + limits_.answer_timeout;
  }
  return message;
}

bool NodeSync::PollProgress() { return std::exchange(has_progress_, false); }

Instant NodeSync::next_deadline() const {
  if (!is_connected_ || is_closing_) {
    return Instant::Max();
  }
  Instant next = std::min(next_ping_, pong_deadline_);
  if (in_flight_) {
    next = std::min(next, in_flight_->deadline);
  } else if (next_attempt_ != Instant()) {
    next = std::min(next, next_attempt_);
  }
  return next;
}

Outcome NodeSync::OutcomeFor(std::uint64_t revision, std::span<const ObjectId> changed) const {
  Outcome outcome;
  if (settled_revision_ < revision) {
    const bool is_refused = !problem_.empty() && revision <= refused_revision_;
    outcome.state = !is_connected_ ? Outcome::State::kOffline
                    : is_refused   ? Outcome::State::kRefused
                                   : Outcome::State::kPending;
    return outcome;
  }
  std::set<ObjectId> concerned;
  for (const ObjectId& id : changed) {
    // A grant is refused with the peer or resource it needs.
    std::vector<ObjectId> causes = model::NeedsOf(id);
    causes.push_back(id);
    for (ObjectId& cause : causes) {
      if (view_.contains(id) && rejected_.contains(cause)) {
        concerned.insert(std::move(cause));
      }
    }
  }
  for (const ObjectId& id : concerned) {
    outcome.rejections.push_back(rejected_.at(id));
  }
  outcome.state = concerned.empty() ? Outcome::State::kAcked : Outcome::State::kRejected;
  return outcome;
}

std::vector<Rejection> NodeSync::rejections() const {
  std::vector<Rejection> all;
  for (const auto& [id, rejection] : rejected_) {
    all.push_back(rejection);
  }
  return all;
}

void NodeSync::CloseSession(std::string reason) {
  is_closing_ = true;
  outgoing_.clear();
  outgoing_.push_back(Close{std::move(reason)});
}

}  // namespace adit::sync
