// Random updates, wise and not, against an obvious model; and random schedules of loss,
// duplication, reordering and restarts on the way from a hub to a data plane.
#include <cstdio>
#include <deque>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataplane/rpc/desired_state.h"
#include "tests/dataplane/rpc/fake_enforcer.h"
#include "tests/dataplane/rpc/objects.h"
#include "tests/support/seeded_random.h"

namespace adit::rpc {
namespace {

using testing::FakeEnforcer;
using testing::Grant;
using testing::HubView;
using testing::IdOf;
using testing::KeyOf;
using testing::Peer;
using testing::Resource;
using testing::StoredObject;
using Rights = std::set<std::pair<PublicKey, std::string>>;

constexpr int kPeers = 6;
constexpr int kResources = 4;

std::string ResourceName(std::uint64_t number) { return fmt::format("r{}", number); }

StoredObject RandomObject(adit::testing::SeededRandom& random) {
  const int peer = static_cast<int>(random.Below(kPeers));
  const std::string resource = ResourceName(random.Below(kResources));
  switch (random.Below(8)) {
    case 0:
    case 1:
      return Peer(peer, {fmt::format("100.64.0.{}/{}", random.Below(8) * 4, 28 + random.Below(5))});
    case 2:
      return Peer(peer, {});
    case 3:
      return Peer(peer, {"10.0.0.0/8"});  // never acceptable
    case 4:
      return Resource(resource, {fmt::format("10.0.{}.0/24", random.Below(4))});
    default:
      return Grant(peer, resource);
  }
}

// The rules for objects beside each other, the slow way. Order as the data plane judges: by kind,
// then as they came.
bool IsAcceptable(const std::map<ObjectId, std::string>& objects, const StoredObject& object) {
  ParsedObject parsed;
  if (ParseObject({object.kind, object.key, object.body}, testing::TestLimits(), parsed)) {
    return false;
  }
  if (const auto* peer = std::get_if<PeerObject>(&parsed)) {
    for (const auto& [id, body] : objects) {
      ParsedObject other;
      if (id.kind != kPeerKind ||
          ParseObject({id.kind, id.key, body}, testing::TestLimits(), other)) {
        continue;
      }
      for (const IpPrefix& theirs : std::get<PeerObject>(other).allowed_ips) {
        for (const IpPrefix& ours : peer->allowed_ips) {
          if (ours.Overlaps(theirs)) {
            return false;
          }
        }
      }
    }
  }
  if (const auto* grant = std::get_if<GrantObject>(&parsed)) {
    return objects.contains(PeerId(grant->peer)) &&
           objects.contains({kResourceKind, grant->resource_id});
  }
  return true;
}

Rights RightsOf(const std::map<ObjectId, std::string>& objects) {
  Rights rights;
  for (const auto& [id, body] : objects) {
    if (id.kind != kGrantKind) {
      continue;
    }
    const access::GrantKey grant = SplitGrantKey(id.key);
    if (objects.contains(PeerId(grant.peer)) &&
        objects.contains({kResourceKind, grant.resource_id})) {
      rights.emplace(grant.peer, grant.resource_id);
    }
  }
  return rights;
}

std::string DigestOf(const std::map<ObjectId, std::string>& objects) {
  HubView view;
  for (const auto& [id, body] : objects) {
    view.Put({id.kind, id.key, body});
  }
  return view.Digest();
}

class RandomUpdates : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  const Limits limits_ = testing::TestLimits();
  ExpiryClock clock_;
  const Now now_ = testing::FakeClock().now;
};

TEST_P(RandomUpdates, AreAcceptedOrRefusedAsTheModelSays) {
  adit::testing::SeededRandom random(GetParam());
  std::printf("seed %llu\n", static_cast<unsigned long long>(GetParam()));
  DesiredState state(limits_, [](const InterfaceObject&) { return std::nullopt; });
  FakeEnforcer enforcer;
  std::map<ObjectId, std::string> model;
  std::uint64_t revision = 1;
  ASSERT_TRUE(std::holds_alternative<PreparedChange>(
      state.Prepare(ProposedSnapshot{"epoch", 1, {}, DigestOf({})}, clock_)));
  state.Commit();

  int accepted = 0;
  for (int round = 0; round < 400; ++round) {
    std::map<ObjectId, std::string> next = model;
    const bool is_snapshot = random.Chance(0.1);
    std::vector<ObjectId> removals;
    std::map<ObjectId, StoredObject> upserts;
    for (std::uint64_t i = random.Below(3); i > 0 && !model.empty(); --i) {
      auto at = model.begin();
      std::advance(at, random.Below(model.size()));
      removals.push_back(at->first);
      next.erase(at->first);
    }
    for (std::uint64_t i = random.Below(4); i > 0; --i) {
      const StoredObject object = RandomObject(random);
      upserts[IdOf(object)] = object;
    }
    // What the data plane should say: old versions out first, then judged by kind.
    std::vector<StoredObject> sent;
    if (is_snapshot) {
      for (const auto& [id, body] : next) {
        if (!upserts.contains(id)) {
          upserts[id] = {id.kind, id.key, body};
        }
      }
      next.clear();
    }
    for (const auto& [id, object] : upserts) {
      next.erase(id);
      sent.push_back(object);
    }
    std::set<ObjectId> refused;
    for (const StoredObject& object : sent) {  // the map has them by kind
      if (IsAcceptable(next, object)) {
        next[IdOf(object)] = object.body;
      } else {
        refused.insert(IdOf(object));
      }
    }
    // What is refused is not in the digest either way, so it does not matter there.
    const std::string digest = DigestOf(next);
    const std::uint64_t to = revision + random.Below(3);
    DesiredState::Outcome outcome =
        is_snapshot
            ? state.Prepare(ProposedSnapshot{"epoch", to, sent, digest}, clock_)
            : state.Prepare(ProposedDelta{"epoch", revision, to, removals, sent, digest}, clock_);
    if (!refused.empty()) {
      const auto* refusal = std::get_if<Refusal>(&outcome);
      ASSERT_NE(refusal, nullptr) << "round " << round;
      std::set<ObjectId> named;
      for (const Rejection& rejection : refusal->rejections) {
        named.insert(rejection.object);
      }
      ASSERT_EQ(named, refused) << "round " << round;
    } else {
      const auto* change = std::get_if<PreparedChange>(&outcome);
      ASSERT_NE(change, nullptr) << "round " << round;
      const Rights before = enforcer.Rights(now_.boot);
      if (random.Chance(0.2)) {
        state.Abandon();
      } else {
        const Rights after = RightsOf(next);
        EXPECT_EQ(change->narrows, !change->narrowing.removed_peers.empty() ||
                                       !change->narrowing.removed_resources.empty() ||
                                       !change->narrowing.removed_grants.empty());
        ASSERT_TRUE(enforcer.Apply(change->update));
        state.Commit();
        model = std::move(next);
        revision = to;
        ++accepted;
        ASSERT_EQ(enforcer.Rights(now_.boot), after) << "round " << round;
      }
    }
    ASSERT_EQ(state.objects().digest().bytes(), DigestOf(model)) << "round " << round;
    ASSERT_EQ(state.revision(), revision);
    ASSERT_EQ(enforcer.Rights(now_.boot), RightsOf(model)) << "round " << round;
  }
  EXPECT_GT(accepted, 50);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomUpdates, ::testing::Range<std::uint64_t>(1, 26));

// One hub, one data plane, and a way between them that loses, repeats and reorders. The hub is as
// simple as a hub may be: it sends what leads from where it believes the data plane to be, and a
// snapshot when told to.
class Schedule {
 public:
  explicit Schedule(std::uint64_t seed)
      : random_(seed), state_(std::make_unique<DesiredState>(limits_, NoCheck)) {
    history_[0] = {};
  }

  void Run() {
    for (int step = 0; step < 60; ++step) {
      switch (random_.Below(6)) {
        case 0:
        case 1:
          Edit();
          break;
        case 2:
          Send();
          break;
        case 3:
        case 4:
          Deliver();
          break;
        default:
          if (random_.Chance(0.3)) {
            Restart();
          }
      }
    }
    // A quiet end: a new stream, and everything arrives.
    Reconnect();
    for (int round = 0; round < 10 && believed_ != revision_; ++round) {
      Send();
      while (!way_.empty()) {
        DeliverAt(0);
      }
    }
    EXPECT_EQ(state_->revision(), revision_);
    EXPECT_EQ(enforcer_.Rights(now_.boot), RightsOf(history_[revision_]));
  }

 private:
  struct Update {
    bool is_snapshot = false;
    std::uint64_t from = 0;
    std::uint64_t to = 0;
  };
  static std::optional<Problem> NoCheck(const InterfaceObject&) { return std::nullopt; }

  void Edit() {
    std::map<ObjectId, std::string> next = history_[revision_];
    if (random_.Chance(0.4) && !next.empty()) {
      auto at = next.begin();
      std::advance(at, random_.Below(next.size()));
      const ObjectId gone = at->first;
      // A hub removes what depends on it as well.
      std::erase_if(next, [&](const auto& entry) {
        const access::GrantKey grant = SplitGrantKey(entry.first.key);
        return entry.first == gone ||
               (entry.first.kind == kGrantKind &&
                (PeerId(grant.peer) == gone || ObjectId{kResourceKind, grant.resource_id} == gone));
      });
    } else {
      StoredObject object = RandomObject(random_);
      next.erase(IdOf(object));
      if (!IsAcceptable(next, object)) {
        return;
      }
      next[IdOf(object)] = object.body;
    }
    history_[++revision_] = std::move(next);
  }

  void Send() {
    way_.push_back(
        {!believed_.has_value() || random_.Chance(0.1), believed_.value_or(0), revision_});
  }

  void Deliver() {
    if (way_.empty()) {
      return;
    }
    const std::size_t at = random_.Chance(0.3) ? random_.Below(way_.size()) : 0;
    if (random_.Chance(0.2)) {
      way_.erase(way_.begin() + static_cast<std::ptrdiff_t>(at));
      return;
    }
    if (random_.Chance(0.2)) {
      way_.push_back(way_[at]);
    }
    DeliverAt(at);
  }

  void DeliverAt(std::size_t at) {
    const Update update = way_[at];
    way_.erase(way_.begin() + static_cast<std::ptrdiff_t>(at));
    const auto& target = history_[update.to];
    const Rights before = enforcer_.Rights(now_.boot);
    DesiredState::Outcome outcome = [&] {
      if (update.is_snapshot) {
        std::vector<StoredObject> objects;
        for (const auto& [id, body] : target) {
          objects.push_back({id.kind, id.key, body});
        }
        return state_->Prepare(ProposedSnapshot{"epoch", update.to, objects, DigestOf(target)},
                               clock_);
      }
      ProposedDelta delta{"epoch", update.from, update.to, {}, {}, DigestOf(target)};
      for (const auto& [id, body] : history_[update.from]) {
        if (!target.contains(id)) {
          delta.removals.push_back(id);
        }
      }
      for (const auto& [id, body] : target) {
        const auto old = history_[update.from].find(id);
        if (old == history_[update.from].end() || old->second != body) {
          delta.upserts.push_back({id.kind, id.key, body});
        }
      }
      return state_->Prepare(std::move(delta), clock_);
    }();
    if (const auto* change = std::get_if<PreparedChange>(&outcome)) {
      EXPECT_GE(update.to, applied_) << "back within an epoch";
      ASSERT_TRUE(enforcer_.Apply(change->update));
      state_->Commit();
      applied_ = update.to;
      disk_ = target;
      believed_ = update.to;
    } else {
      believed_ = applied_;
      if (std::get<Refusal>(outcome).needs_snapshot) {
        believed_.reset();
      }
      EXPECT_EQ(enforcer_.Rights(now_.boot), before);
    }
    // Never more than the revision that is applied grants: no superset on the way.
    EXPECT_EQ(enforcer_.Rights(now_.boot), RightsOf(history_[applied_]));
  }

  void Restart() {
    state_ = std::make_unique<DesiredState>(limits_, NoCheck);
    enforcer_.peers.clear();
    enforcer_.resources.clear();
    if (applied_ != 0) {
      state::StoredView view;
      view.version.epoch = "epoch";
      view.version.revision = applied_;
      for (const auto& [id, body] : disk_) {
        view.objects.push_back({id.kind, id.key, body});
      }
      std::vector<Rejection> left_out;
      const PreparedChange change = state_->PrepareRestored(std::move(view), clock_, left_out);
      EXPECT_TRUE(left_out.empty());
      ASSERT_TRUE(enforcer_.Apply(change.update));
      state_->Commit();
    }
    Reconnect();
  }
  void Reconnect() {
    way_.clear();
    believed_ = state_->has_state() ? std::optional(state_->revision()) : std::nullopt;
  }

  adit::testing::SeededRandom random_;
  const Limits limits_ = testing::TestLimits();
  ExpiryClock clock_;
  const Now now_ = testing::FakeClock().now;
  std::map<std::uint64_t, std::map<ObjectId, std::string>> history_;
  std::uint64_t revision_ = 0;  // the hub's
  std::uint64_t applied_ = 0;
  std::map<ObjectId, std::string> disk_;
  std::optional<std::uint64_t> believed_;  // by the hub
  std::deque<Update> way_;
  std::unique_ptr<DesiredState> state_;
  FakeEnforcer enforcer_;
};

TEST(RandomSchedules, EndAtTheHubsStateAndNeverGrantMoreOnTheWay) {
  for (std::uint64_t seed = 1; seed <= 10'000; ++seed) {
    Schedule(seed).Run();
    ASSERT_FALSE(::testing::Test::HasFailure()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace adit::rpc
