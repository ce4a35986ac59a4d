#include "dataplane/rpc/update_pipeline.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "common/log.h"
#include "common/status.h"
#include "dataplane/rpc/convert.h"

namespace adit::rpc {
namespace {

namespace pb = ::adit::dataplane::v1;

constexpr std::size_t kMaxFaults = 16;
constexpr std::size_t kMaxExpiredAtOnce = 256;

ProposedDelta TakeDelta(pb::Delta& delta) {
  ProposedDelta proposed;
  proposed.epoch = delta.epoch();
  proposed.from = delta.from();
  proposed.to = delta.to();
  proposed.digest = delta.digest();
  for (pb::ObjectKey& key : *delta.mutable_removals()) {
    proposed.removals.push_back(
        {static_cast<std::uint32_t>(key.kind()), std::move(*key.mutable_key())});
  }
  for (pb::Object& object : *delta.mutable_upserts()) {
    proposed.upserts.push_back(TakeObject(object));
  }
  return proposed;
}

}  // namespace

UpdatePipeline::UpdatePipeline(const Limits& limits, state::ViewStore& store, Enforcer& enforcer,
                               const Clock& clock)
    : store_(store),
      enforcer_(enforcer),
      clock_(clock),
      assembler_(limits),
      desired_(limits, [&enforcer](const InterfaceObject& interface) {
        return enforcer.CheckInterface(interface);
      }) {}

absl::Status UpdatePipeline::Restore(std::optional<state::StoredView> view, WallTime last_known) {
  if (!view) {
    return absl::OkStatus();
  }
  const Now now = clock_.Read();
  expiry_.StartFromDisk(std::max(last_known, view->version.written_at),
                        view->version.hub_now - view->version.written_at, now);
  expired_until_ = now.wall;
  std::vector<Rejection> left_out;
  const PreparedChange change = desired_.PrepareRestored(*std::move(view), expiry_, left_out);
  if (!left_out.empty()) {
    LOG_INFO("{} stored objects are not accepted any more and left out; the first is {}: {}",
             left_out.size(), Describe(left_out.front().object), left_out.front().problem.text);
    // The files must hold what is applied, or later changes would not fit them.
    if (const absl::Status recorded = Record(change); !recorded.ok()) {
      RETURN_IF_ERROR(store_.Withdraw());
    }
  }
  Enforce(change);
  desired_.Commit();
  (void)expiry_.TakeMoved();
  LOG_INFO("revision {} is in force from disk: {} objects", desired_.revision(),
           desired_.objects().size());
  return absl::OkStatus();
}

std::optional<Outgoing> UpdatePipeline::Handle(pb::Snapshot&& chunk) {
  const Now began = clock_.Read();
  const std::uint64_t nonce = chunk.nonce();
  const std::uint64_t revision = chunk.revision();
  HubSpoke(chunk.hub_now_unix_ns());
  SnapshotAssembler::Result result = assembler_.Add(std::move(chunk));
  if (result.refusal) {
    return MakeNack(nonce, revision, *result.refusal);
  }
  if (!result.whole) {
    return std::nullopt;
  }
  return Finish(nonce, revision, desired_.Prepare(*std::move(result.whole), expiry_), began);
}

Outgoing UpdatePipeline::Handle(pb::Delta&& delta) {
  const Now began = clock_.Read();
  const std::uint64_t nonce = delta.nonce();
  const std::uint64_t revision = delta.to();
  HubSpoke(delta.hub_now_unix_ns());
  return Finish(nonce, revision, desired_.Prepare(TakeDelta(delta), expiry_), began);
}

Outgoing UpdatePipeline::Finish(std::uint64_t nonce, std::uint64_t revision,
                                DesiredState::Outcome outcome, Now began) {
  if (const auto* refusal = std::get_if<Refusal>(&outcome)) {
    if (refusal->text != noted_refusal_) {
      noted_refusal_ = refusal->text;
      LOG_INFO("revision {} is refused: {}", revision, refusal->text);
    }
    for (const Rejection& rejection : refusal->rejections) {
      LOG_DEBUG("{}: {} {}: {}", Describe(rejection.object), rejection.problem.field,
                rejection.problem.code, rejection.problem.text);
    }
    return MakeNack(nonce, revision, *refusal);
  }
  const PreparedChange& change = std::get<PreparedChange>(outcome);
  if (const absl::Status durable = MakeDurable(change); !durable.ok()) {
    desired_.Abandon();
    return MakeNack(nonce, revision, Refusal{{}, false, MessageOf(durable)});
  }
  Enforce(change);
  desired_.Commit();
  noted_refusal_.clear();
  LOG_DEBUG("revision {} is in force", revision);
  return MakeAck(nonce, revision, change.version.digest, clock_.Read().boot - began.boot);
}

absl::Status UpdatePipeline::Record(const PreparedChange& change) {
  const Now now = clock_.Read();
  state::ViewVersion version = change.version;
  version.written_at = now.wall;
  version.hub_now = expiry_.TimeAt(now.boot).value_or(now.wall);
  if (change.is_snapshot) {
    return store_.Replace(version, change.upserts);
  }
  const absl::Status appended = store_.AppendDelta(version, change.removals, change.upserts);
  if (!absl::IsFailedPrecondition(appended)) {
    return appended;
  }
  // There is nothing to append to: write all of it. A prepared delta is in the objects already.
  std::vector<state::ObjectView> all;
  desired_.objects().ForEach([&](const ObjectId& id, const HeldObject& object) {
    all.push_back({id.kind, id.key, object.body.bytes()});
  });
  return store_.Replace(version, all);
}

absl::Status UpdatePipeline::MakeDurable(const PreparedChange& change) {
  const absl::Status recorded = Record(change);
  if (recorded.ok()) {
    if (is_disk_failing_) {
      is_disk_failing_ = false;
      is_withdrawn_ = false;
      LOG_INFO("the state can be recorded again");
    }
    return absl::OkStatus();
  }
  if (!is_disk_failing_) {
    is_disk_failing_ = true;
    LOG_ERROR("the state cannot be recorded: {}", MessageOf(recorded));
    Fault("STATE_NOT_RECORDED", MessageOf(recorded));
  }
  if (!change.narrows) {
    return Annotate(recorded, "not applied, because it cannot be recorded");
  }
  const absl::Status withdrawn = store_.Withdraw();
  if (!withdrawn.ok()) {
    (void)enforcer_.Apply(change.narrowing);
    is_narrower_ = true;
    return Annotate(withdrawn, "enforced until a restart, but it cannot be recorded");
  }
  if (!std::exchange(is_withdrawn_, true)) {
    LOG_ERROR("a restart denies everything until the control plane has sent a snapshot");
  }
  return absl::OkStatus();
}

void UpdatePipeline::Enforce(const PreparedChange& change) {
  // The host before what is granted: a flow's first packet decides whether it is masqueraded. What
  // is taken away does not wait for the host.
  if (change.host && change.host != applied_host_) {
    if (!change.update.removed_resources.empty() || !change.update.removed_grants.empty()) {
      engine::Update removals;
      removals.removed_resources = change.update.removed_resources;
      removals.removed_grants = change.update.removed_grants;
      (void)enforcer_.Apply(removals);
    }
    enforcer_.ApplyHost(*change.host);
    applied_host_ = change.host;
  }
  const bool needs_all = is_narrower_ && !change.is_snapshot;
  const bool has_room = enforcer_.Apply(needs_all ? desired_.Whole(expiry_).update : change.update);
  is_narrower_ = false;
  if (!has_room) {
    LOG_ERROR(
        "the key arena is full: some preshared keys are not in force, their peers cannot connect");
    Fault("KEY_ARENA_FULL", "some preshared keys found no room: their peers cannot connect");
  }
}

void UpdatePipeline::HubSpoke(std::int64_t hub_now_unix_ns) {
  if (hub_now_unix_ns <= 0) {
    return;
  }
  expiry_.HubSpoke(WallTime(Duration(hub_now_unix_ns)), clock_.Read());
  GiveDeadlinesAgain();
}

void UpdatePipeline::GiveDeadlinesAgain() {
  if (is_narrower_ || !expiry_.TakeMoved() || desired_.objects().expiring().empty()) {
    return;
  }
  (void)enforcer_.Apply(desired_.ExpiringGrants(expiry_));
}

void UpdatePipeline::Observe(std::vector<Outgoing>& events) {
  const Now now = clock_.Read();
  expiry_.Observe(now);
  GiveDeadlinesAgain();
  std::move(faults_.begin(), faults_.end(), std::back_inserter(events));
  faults_.clear();
  const auto time = expiry_.TimeAt(now.boot);
  if (!time) {
    return;
  }
  // Those that end after what was told, in order; the rest of very many the next time.
  const auto& expiring = desired_.objects().expiring();
  const WallTime first = expired_until_ + Duration(1);
  expired_until_ = std::max(expired_until_, *time);
  std::size_t told = 0;
  for (auto it = expiring.lower_bound({first, {}}); it != expiring.end() && it->first <= *time;
       ++it) {
    if (told >= kMaxExpiredAtOnce && it->first != std::prev(it)->first) {
      expired_until_ = std::prev(it)->first;
      break;
    }
    events.push_back(MakeGrantExpired({kGrantKind, it->second}, now.wall));
    ++told;
  }
}

void UpdatePipeline::Fault(std::string_view code, std::string text) {
  if (faults_.size() < kMaxFaults) {
    faults_.push_back(MakeFault(code, text, clock_.Read().wall));
  }
}

}  // namespace adit::rpc
