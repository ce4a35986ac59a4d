#include "dataplane/rpc/desired_state.h"

#include <algorithm>

#include <absl/container/flat_hash_set.h>
#include <fmt/format.h>

#include "dataplane/rpc/convert.h"

namespace adit::rpc {
namespace {

void Reject(std::vector<Rejection>& rejections, Rejection rejection) {
  if (rejections.size() < DesiredState::kMaxRejections) {
    rejections.push_back(std::move(rejection));
  }
}

engine::PeerPatch PatchOf(const PeerObject& peer) {
  engine::PeerPatch patch;
  patch.public_key = peer.public_key;
  // Zero clears: what the object does not have is not kept from before.
  patch.preshared_key = peer.preshared_key.value_or(crypto::SymmetricKey());
  patch.endpoint = peer.endpoint;
  patch.persistent_keepalive = peer.persistent_keepalive;
  patch.replace_allowed_ips = true;
  patch.allowed_ips = peer.allowed_ips;
  return patch;
}

access::GrantConfig GrantOf(const GrantObject& grant, const ExpiryClock& clock) {
  return {grant.peer, grant.resource_id, clock.DeadlineOf(grant.expires_at)};
}

void AppendRemoval(const ObjectId& id, const HeldObject& object, engine::Update& update) {
  if (const auto* peer = std::get_if<PeerObject>(&object.parsed)) {
    update.removed_peers.push_back(peer->public_key);
  } else if (const auto* grant = std::get_if<GrantObject>(&object.parsed)) {
    update.removed_grants.push_back({grant->peer, grant->resource_id});
  } else if (id.kind == kResourceKind) {
    update.removed_resources.push_back(id.key);
  }
}

void AppendUpsert(const HeldObject& object, const ExpiryClock& clock, engine::Update& update) {
  if (const auto* peer = std::get_if<PeerObject>(&object.parsed)) {
    update.peers.push_back(PatchOf(*peer));
  } else if (const auto* resource = std::get_if<access::ResourceConfig>(&object.parsed)) {
    update.resources.push_back(*resource);
  } else if (const auto* grant = std::get_if<GrantObject>(&object.parsed)) {
    update.grants.push_back(GrantOf(*grant, clock));
  }
}

HostConfig HostOf(const ObjectSet& objects) {
  HostConfig host;
  if (const InterfaceObject* interface = objects.interface()) {
    host.addresses = interface->addresses;
    host.tunnel_ranges = interface->tunnel_ranges;
  }
  host.served = objects.Served();
  return host;
}

bool ConcernsHost(const ObjectId& id) {
  return id.kind == kInterfaceKind || id.kind == kResourceKind;
}

Refusal Refuse(std::string text, bool needs_snapshot) {
  return Refusal{{}, needs_snapshot, std::move(text)};
}

Refusal RefuseObjects(std::vector<Rejection> rejections) {
  std::string text = fmt::format("{} objects cannot be accepted", rejections.size());
  return Refusal{std::move(rejections), false, std::move(text)};
}

constexpr std::size_t kMaxEpochSize = 64;

}  // namespace

DesiredState::DesiredState(const Limits& limits, InterfaceCheck check)
    : limits_(limits), check_(std::move(check)), objects_(limits) {}

std::vector<DesiredState::Judged> DesiredState::ParseAll(std::vector<state::StoredObject>&& objects,
                                                         std::vector<Rejection>& rejections) const {
  std::vector<Judged> judged;
  judged.reserve(objects.size());
  absl::flat_hash_set<ObjectId> seen;
  for (state::StoredObject& object : objects) {
    ObjectId id{object.kind, std::move(object.key)};
    HeldObject held{ObjectBody(std::move(object.body)), {}};
    const bool is_first = seen.insert(id).second;
    std::optional<Problem> problem;
    if (!is_first) {
      problem = Problem{"", "DUPLICATE", "the update has this object twice"};
    } else {
      problem = ParseObject({id.kind, id.key, held.body.bytes()}, limits_, held.parsed);
    }
    if (!problem && id.kind == kInterfaceKind) {
      problem = check_(std::get<InterfaceObject>(held.parsed));
    }
    if (problem) {
      // An unusable key is not echoed in full.
      id.key.resize(std::min(id.key.size(), std::size_t{512}));
      Reject(rejections, {std::move(id), *std::move(problem), {}});
    } else {
      judged.push_back({std::move(id), std::move(held)});
    }
  }
  std::stable_sort(judged.begin(), judged.end(),
                   [](const Judged& a, const Judged& b) { return a.id.kind < b.id.kind; });
  return judged;
}

void DesiredState::InsertAll(std::vector<Judged>&& judged, ObjectSet& objects,
                             std::vector<Rejection>& rejections,
                             const std::function<void(const ObjectId&)>& inserted) const {
  for (Judged& next : judged) {
    if (auto rejection = objects.Judge(next.id, next.object)) {
      Reject(rejections, *std::move(rejection));
      continue;
    }
    inserted(next.id);
    objects.Insert(std::move(next.id), std::move(next.object));
  }
}

DesiredState::Outcome DesiredState::Prepare(ProposedSnapshot&& snapshot, const ExpiryClock& clock) {
  if (snapshot.epoch.empty() || snapshot.epoch.size() > kMaxEpochSize) {
    return Refuse(fmt::format("an epoch has 1 to {} bytes", kMaxEpochSize), false);
  }
  if (has_state_ && snapshot.epoch == epoch_ && snapshot.revision < revision_) {
    return Refuse(
        fmt::format("revision {} is older than {}, which is applied", snapshot.revision, revision_),
        false);
  }
  std::vector<Rejection> rejections;
  ObjectSet objects(limits_);
  InsertAll(ParseAll(std::move(snapshot.objects), rejections), objects, rejections,
            [](const ObjectId&) {});
  if (!rejections.empty()) {
    return RefuseObjects(std::move(rejections));
  }
  if (objects.digest().bytes() != snapshot.digest) {
    return Refuse("the digest does not match the snapshot's objects", true);
  }
  next_objects_ = std::move(objects);
  next_epoch_ = std::move(snapshot.epoch);
  next_revision_ = snapshot.revision;
  PreparedChange change = WholeOf(*next_objects_, next_epoch_, next_revision_, clock);
  objects_.ForEach([&](const ObjectId& id, const HeldObject& object) {
    const HeldObject* next = next_objects_->Find(id);
    if (next == nullptr || next->body.bytes() != object.body.bytes()) {
      AppendRemoval(id, object, change.narrowing);
      change.narrows = true;
    }
  });
  return change;
}

PreparedChange DesiredState::PrepareRestored(state::StoredView&& view, const ExpiryClock& clock,
                                             std::vector<Rejection>& left_out) {
  next_objects_.emplace(limits_);
  InsertAll(ParseAll(std::move(view.objects), left_out), *next_objects_, left_out,
            [](const ObjectId&) {});
  next_epoch_ = std::move(view.version.epoch);
  next_revision_ = view.version.revision;
  return WholeOf(*next_objects_, next_epoch_, next_revision_, clock);
}

std::optional<Refusal> DesiredState::CheckDelta(const ProposedDelta& delta) const {
  if (!has_state_) {
    return Refuse("nothing is applied that a change could be added to", true);
  }
  if (delta.epoch != epoch_) {
    return Refuse("the change is of another epoch than what is applied", true);
  }
  if (delta.from != revision_) {
    return Refuse(
        fmt::format("the change is from revision {}, applied is {}", delta.from, revision_), true);
  }
  if (delta.to < delta.from) {
    return Refuse(fmt::format("the change leads back to revision {} from {}", delta.to, delta.from),
                  false);
  }
  return std::nullopt;
}

DesiredState::Outcome DesiredState::Prepare(ProposedDelta&& delta, const ExpiryClock& clock) {
  if (auto refusal = CheckDelta(delta)) {
    return *std::move(refusal);
  }
  std::vector<ObjectId> put;
  put.reserve(delta.upserts.size());
  for (const state::StoredObject& object : delta.upserts) {
    put.push_back({object.kind, object.key});
  }
  std::vector<Rejection> rejections;
  std::vector<Judged> judged = ParseAll(std::move(delta.upserts), rejections);

  PreparedChange change;
  bool concerns_host = false;
  absl::flat_hash_set<ObjectId> replaced;  // there before, and still there just before the upserts
  steps_.clear();
  const auto take = [&](const ObjectId& id, engine::Update* update) {
    std::optional<HeldObject> taken = objects_.Take(id);
    if (!taken) {
      return false;
    }
    AppendRemoval(id, *taken, change.narrowing);
    if (update != nullptr) {
      AppendRemoval(id, *taken, *update);
    }
    change.narrows = true;
    concerns_host = concerns_host || ConcernsHost(id);
    steps_.push_back({id, std::move(taken)});
    return true;
  };
  for (const ObjectId& id : delta.removals) {
    (void)take(id, &change.update);
  }
  // All old versions go before any comes in, so that a prefix may move between two peers; those of
  // refused objects too, because the update that follows will be without them.
  for (const ObjectId& id : put) {
    if (take(id, nullptr)) {
      replaced.insert(id);
    }
  }
  std::vector<ObjectId> upserted;
  absl::flat_hash_set<std::string> upserted_grants;
  InsertAll(std::move(judged), objects_, rejections, [&](const ObjectId& id) {
    concerns_host = concerns_host || ConcernsHost(id);
    upserted.push_back(id);
    if (id.kind == kGrantKind) {
      upserted_grants.insert(id.key);
    }
    steps_.push_back({id, std::nullopt});
  });
  if (!rejections.empty()) {
    UndoSteps();
    return RefuseObjects(std::move(rejections));
  }
  if (objects_.digest().bytes() != delta.digest) {
    UndoSteps();
    return Refuse("the digest does not match the state after the change", true);
  }

  for (const ObjectId& id : upserted) {
    const HeldObject& object = *objects_.Find(id);
    AppendUpsert(object, clock, change.update);
    change.upserts.push_back(objects_.ViewOf(id));
    // The engine forgets a peer's grants with the peer; some may have outlived it here.
    const auto* peer = std::get_if<PeerObject>(&object.parsed);
    const bool is_made = peer != nullptr && !replaced.contains(id);
    const auto* grants = is_made ? objects_.GrantsOf(peer->public_key) : nullptr;
    if (grants != nullptr) {
      for (const std::string& resource : *grants) {
        const ObjectId grant{kGrantKind, GrantObjectKey(peer->public_key, resource)};
        if (!upserted_grants.contains(grant.key)) {
          AppendUpsert(*objects_.Find(grant), clock, change.update);
        }
      }
    }
  }
  for (const Step& step : steps_) {
    if (step.taken && objects_.Find(step.id) == nullptr) {
      change.removals.push_back({step.id.kind, step.id.key});
    }
  }
  if (concerns_host) {
    change.host = HostOf(objects_);
  }
  change.version = {epoch_, delta.to, objects_.digest().bytes(), {}, {}};
  next_epoch_ = epoch_;
  next_revision_ = delta.to;
  return change;
}

void DesiredState::Commit() {
  if (next_objects_) {
    objects_ = *std::move(next_objects_);
    next_objects_.reset();
  }
  steps_.clear();
  epoch_ = std::move(next_epoch_);
  revision_ = next_revision_;
  has_state_ = true;
}

void DesiredState::Abandon() {
  UndoSteps();
  next_objects_.reset();
}

void DesiredState::UndoSteps() {
  while (!steps_.empty()) {
    Step step = std::move(steps_.back());
    steps_.pop_back();
    if (step.taken) {
      objects_.Insert(std::move(step.id), *std::move(step.taken));
    } else {
      (void)objects_.Take(step.id);
    }
  }
}

PreparedChange DesiredState::WholeOf(const ObjectSet& objects, const std::string& epoch,
                                     std::uint64_t revision, const ExpiryClock& clock) {
  PreparedChange change;
  change.is_snapshot = true;
  change.update.is_snapshot = true;
  change.upserts.reserve(objects.size());
  objects.ForEach([&](const ObjectId& id, const HeldObject& object) {
    AppendUpsert(object, clock, change.update);
    change.upserts.push_back({id.kind, id.key, object.body.bytes()});
  });
  change.host = HostOf(objects);
  change.version = {epoch, revision, objects.digest().bytes(), {}, {}};
  return change;
}

PreparedChange DesiredState::Whole(const ExpiryClock& clock) const {
  return WholeOf(objects_, epoch_, revision_, clock);
}

engine::Update DesiredState::ExpiringGrants(const ExpiryClock& clock) const {
  engine::Update update;
  for (const auto& [end, key] : objects_.expiring()) {
    const HeldObject* object = objects_.Find({kGrantKind, key});
    AppendUpsert(*object, clock, update);
  }
  return update;
}

}  // namespace adit::rpc
