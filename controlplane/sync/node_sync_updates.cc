#include <algorithm>
#include <utility>

#include "common/bytes.h"
#include "controlplane/sync/node_sync.h"

// What the data plane holds, what it should hold, and the update from the one to the other.
namespace adit::sync {
namespace {

// Of an object in a message, beside its key and body: tags and lengths.
constexpr std::size_t kObjectOverhead = 16;

std::size_t SizeOf(const ObjectId& id, std::size_t body_size) {
  return id.key.size() + body_size + kObjectOverhead;
}

void AddTo(StateDigest& digest, const ObjectId& id, std::string_view body) {
  digest.Add(static_cast<std::uint32_t>(id.kind), AsBytes(id.key), AsBytes(body));
}

void RemoveFrom(StateDigest& digest, const ObjectId& id, std::string_view body) {
  digest.Remove(static_cast<std::uint32_t>(id.kind), AsBytes(id.key), AsBytes(body));
}

}  // namespace

bool NodeSync::IsTrackingHeld() const {
  return is_held_known_ || (in_flight_ && in_flight_->is_snapshot);
}

bool NodeSync::IsWithheld(const ObjectId& id) const {
  if (rejected_.empty()) {
    return false;
  }
  if (rejected_.contains(id)) {
    return true;
  }
  for (const ObjectId& need : model::NeedsOf(id)) {
    if (rejected_.contains(need)) {
      return true;
    }
  }
  return false;
}

const std::string* NodeSync::Wanted(const ObjectId& id) const {
  const auto object = view_.find(id);
  return object == view_.end() || IsWithheld(id) ? nullptr : &object->second;
}

void NodeSync::NoteHeld(const ObjectId& id) {
  if (IsTrackingHeld() && !held_.contains(id)) {
    const std::string* wanted = Wanted(id);
    held_.emplace(id, wanted != nullptr ? Body(*wanted) : std::nullopt);
  }
}

void NodeSync::NoteDependents(const ObjectId& id) {
  if (!IsTrackingHeld()) {
    return;
  }
  if (id.kind == model::ViewKind::kPeer) {
    for (auto grant = view_.lower_bound({model::ViewKind::kGrant, id.key});
         grant != view_.end() && grant->first.key.starts_with(id.key); ++grant) {
      NoteHeld(grant->first);
    }
  } else if (id.kind == model::ViewKind::kResource) {
    for (auto grant = view_.lower_bound({model::ViewKind::kGrant, {}}); grant != view_.end();
         ++grant) {
      if (model::NeedsOf(grant->first).back() == id) {
        NoteHeld(grant->first);
      }
    }
  }
}

void NodeSync::Withhold(const Rejection& rejection) {
  NoteHeld(rejection.object);
  NoteDependents(rejection.object);
  rejected_.insert_or_assign(rejection.object, rejection);
  // The data plane is about to lose it, which may cure others.
  ReleaseCuredBy(rejection.object);
  for (const ObjectId& cure : rejection.cured_by) {
    cures_.emplace(cure, rejection.object);
  }
  has_progress_ = true;
}

void NodeSync::Release(const ObjectId& id) {
  if (rejected_.empty()) {
    return;
  }
  const auto rejected = rejected_.find(id);
  if (rejected != rejected_.end()) {
    NoteHeld(id);
    NoteDependents(id);
    for (const ObjectId& cure : rejected->second.cured_by) {
      cures_.erase({cure, id});
    }
    rejected_.erase(rejected);
    has_progress_ = true;
  }
  ReleaseCuredBy(id);
}

void NodeSync::ReleaseCuredBy(const ObjectId& id) {
  // Each round takes one away, so that two that wait for each other end too.
  for (auto cured = cures_.lower_bound({id, {}}); cured != cures_.end() && cured->first == id;
       cured = cures_.lower_bound({id, {}})) {
    const ObjectId waiting = cured->second;
    cures_.erase(cured);
    Release(waiting);
  }
}

void NodeSync::ReleaseAll() {
  while (!rejected_.empty()) {
    const ObjectId id = rejected_.begin()->first;
    Release(id);
  }
}

bool NodeSync::HasChangedSinceSent(const ObjectId& id) const {
  const std::string* wanted = Wanted(id);
  const auto differs = [&](const Body& body) {
    return wanted == nullptr ? body.has_value() : !body || *body != *wanted;
  };
  const auto sent = in_flight_->sent.find(id);
  if (sent != in_flight_->sent.end()) {
    return differs(sent->second);
  }
  const auto held = held_.find(id);
  return held != held_.end() && differs(held->second);
}

bool NodeSync::TakeRejections(const Nack& nack) {
  bool names_sent = false;
  std::vector<const Rejection*> standing;
  // What became of an object or of its cure while the answer was under way goes out next, and the
  // object with it.
  std::set<ObjectId> overtaken;
  for (const Rejection& rejection : nack.rejections) {
    const ObjectId& id = rejection.object;
    const auto sent = in_flight_->sent.find(id);
    const bool was_sent = in_flight_->is_snapshot
                              ? view_.contains(id) || held_.contains(id)
                              : sent != in_flight_->sent.end() && sent->second.has_value();
    if (!was_sent) {
      continue;
    }
    names_sent = true;
    const bool is_overtaken =
        HasChangedSinceSent(id) ||
        std::any_of(rejection.cured_by.begin(), rejection.cured_by.end(),
                    [&](const ObjectId& cure) { return HasChangedSinceSent(cure); });
    if (is_overtaken) {
      overtaken.insert(id);
    } else if (Wanted(id) != nullptr) {
      standing.push_back(&rejection);
    }
  }
  // So may be what only waits for an object that is sent again.
  const auto waits_for_overtaken = [&](const Rejection* rejection) {
    const bool waits = std::any_of(rejection->cured_by.begin(), rejection->cured_by.end(),
                                   [&](const ObjectId& cure) { return overtaken.contains(cure); });
    if (waits) {
      overtaken.insert(rejection->object);
    }
    return waits;
  };
  while (!overtaken.empty() && std::erase_if(standing, waits_for_overtaken) > 0) {
  }
  for (const Rejection* rejection : standing) {
    Withhold(*rejection);
  }
  return names_sent;
}

void NodeSync::ForgetHeld() {
  in_flight_.reset();
  is_held_known_ = false;
  held_.clear();
}

void NodeSync::Recognize(const Hello& hello, const Now& now) {
  const bool same_epoch = hello.epoch == epoch_;
  const auto says = [&](std::uint64_t revision, const StateDigest& digest) {
    return same_epoch && hello.applied_revision == revision && hello.digest == digest.bytes();
  };
  if (in_flight_ && says(in_flight_->to, in_flight_->digest)) {
    Acknowledge(now);
  } else if (is_held_known_ && says(held_revision_, held_digest_)) {
    in_flight_.reset();
  } else {
    ForgetHeld();
  }
  ReleaseAll();
  if (is_held_known_ || !same_epoch) {
    return;
  }
  // Nothing is remembered of it (the hub restarted), but it may hold just what it should.
  StateDigest digest;
  for (const auto& [id, body] : view_) {
    AddTo(digest, id, body);
  }
  if (hello.digest == digest.bytes()) {
    is_held_known_ = true;
    held_revision_ = hello.applied_revision;
    held_digest_ = digest;
  }
}

void NodeSync::BeginIfIdle(const Now& now) {
  if (!is_connected_ || is_closing_ || in_flight_ || now.boot < next_attempt_) {
    return;
  }
  next_attempt_ = Instant();
  if (is_held_known_) {
    BeginDelta(now);
  } else {
    BeginSnapshot(now);
  }
}

void NodeSync::BeginSnapshot(const Now& now) {
  held_.clear();
  is_held_known_ = false;
  in_flight_.emplace(InFlight{});
  in_flight_->nonce = ++last_nonce_;
  in_flight_->is_snapshot = true;
  in_flight_->to = revision_;
  in_flight_->began = now.boot;
  in_flight_->deadline = now.boot + limits_.answer_timeout;

  std::vector<std::vector<Object>> chunks(1);
  std::size_t chunk_size = 0;
  for (const auto& [id, body] : view_) {
    if (IsWithheld(id)) {
      continue;
    }
    const std::size_t size = SizeOf(id, body.size());
    if (chunk_size + size > limits_.chunk_bytes && !chunks.back().empty()) {
      chunks.emplace_back();
      chunk_size = 0;
    }
    chunk_size += size;
    AddTo(in_flight_->digest, id, body);
    chunks.back().push_back({id, body});
  }
  const std::string digest = in_flight_->digest.bytes();
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    outgoing_.push_back(
        SnapshotChunk{in_flight_->nonce, epoch_, revision_, static_cast<std::uint32_t>(i),
                      static_cast<std::uint32_t>(chunks.size()), std::move(chunks[i]), digest});
  }
}

void NodeSync::BeginDelta(const Now& now) {
  InFlight update;
  update.to = revision_;
  update.began = now.boot;
  update.digest = held_digest_;
  update.deadline = now.boot + limits_.answer_timeout;
  Delta delta;
  std::size_t size = 0;
  for (auto entry = held_.begin(); entry != held_.end();) {
    const auto& [id, held] = *entry;
    const std::string* wanted = Wanted(id);
    const bool is_as_wanted = wanted == nullptr ? !held : held && *held == *wanted;
    if (is_as_wanted) {
      entry = held_.erase(entry);
      continue;
    }
    if (held) {
      RemoveFrom(update.digest, id, *held);
    }
    if (wanted != nullptr) {
      AddTo(update.digest, id, *wanted);
      delta.upserts.push_back({id, *wanted});
      update.sent.emplace(id, *wanted);
    } else {
      delta.removals.push_back(id);
      update.sent.emplace(id, std::nullopt);
    }
    size += SizeOf(id, wanted != nullptr ? wanted->size() : 0);
    ++entry;
  }
  if (update.sent.empty()) {
    problem_.clear();  // nothing is left that could not be applied
    Settle(revision_, now);
    return;
  }
  if (size > limits_.chunk_bytes) {
    BeginSnapshot(now);  // a message has a bound, and only a snapshot comes in several
    return;
  }
  update.nonce = ++last_nonce_;
  delta.nonce = update.nonce;
  delta.epoch = epoch_;
  delta.from = held_revision_;
  delta.to = update.to;
  delta.digest = update.digest.bytes();
  in_flight_ = std::move(update);
  outgoing_.push_back(std::move(delta));
}

void NodeSync::Acknowledge(const Now& now) {
  for (auto& [id, body] : in_flight_->sent) {
    held_.insert_or_assign(id, std::move(body));
  }
  is_held_known_ = true;
  held_revision_ = in_flight_->to;
  held_digest_ = in_flight_->digest;
  answered_in_ = now.boot - in_flight_->began;
  in_flight_.reset();
  problem_.clear();
  refusals_in_a_row_ = 0;
  Settle(held_revision_, now);
}

void NodeSync::Settle(std::uint64_t revision, const Now& now) {
  if (revision > settled_revision_) {
    settled_revision_ = revision;
    settled_at_ = now.wall;
    has_progress_ = true;
  }
}

void NodeSync::PostponeAttempt(std::uint64_t revision, const std::string& problem, const Now& now) {
  refused_revision_ = revision;
  problem_ = problem.empty() ? "the data plane refuses updates and does not say why" : problem;
  next_attempt_ = now.boot + limits_.retry_interval;
  has_progress_ = true;
}

}  // namespace adit::sync
