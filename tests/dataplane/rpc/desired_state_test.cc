#include "dataplane/rpc/desired_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/dataplane/rpc/fake_enforcer.h"
#include "tests/dataplane/rpc/objects.h"

namespace adit::rpc {
namespace {

using ::testing::ElementsAre;
using testing::Grant;
using ::testing::HasSubstr;
using testing::HubView;
using testing::IdOf;
using testing::Interface;
using ::testing::IsEmpty;
using testing::KeyOf;
using testing::Peer;
using testing::Resource;
using ::testing::SizeIs;
using testing::StoredObject;
using ::testing::UnorderedElementsAre;

class DesiredStateTest : public ::testing::Test {
 protected:
  DesiredStateTest() { clock_.HubSpoke(now_.wall, now_); }

  DesiredState::Outcome PrepareSnapshot(const HubView& view, std::uint64_t revision) {
    return state_.Prepare(ProposedSnapshot{view.epoch(), revision, view.Objects(), view.Digest()},
                          clock_);
  }
  // Applies it to hub_ as well.
  DesiredState::Outcome PrepareDelta(std::uint64_t from, std::uint64_t to,
                                     const std::vector<ObjectId>& removals,
                                     const std::vector<StoredObject>& upserts) {
    for (const ObjectId& id : removals) {
      hub_.Remove(id);
    }
    for (const StoredObject& object : upserts) {
      hub_.Put(object);
    }
    return state_.Prepare(ProposedDelta{hub_.epoch(), from, to, removals, upserts, hub_.Digest()},
                          clock_);
  }
  void Start(const std::vector<StoredObject>& objects, std::uint64_t revision = 1) {
    for (const StoredObject& object : objects) {
      hub_.Put(object);
    }
    ASSERT_TRUE(std::holds_alternative<PreparedChange>(PrepareSnapshot(hub_, revision)));
    state_.Commit();
  }
  // The only rejection of an update that changes nothing.
  Rejection OnlyRejection(DesiredState::Outcome outcome) {
    auto* refusal = std::get_if<Refusal>(&outcome);
    if (refusal == nullptr || refusal->rejections.size() != 1) {
      ADD_FAILURE() << "expected one rejection";
      return {};
    }
    EXPECT_FALSE(refusal->needs_snapshot);
    return refusal->rejections.front();
  }

  Limits limits_ = testing::TestLimits();
  std::optional<Problem> interface_problem_;
  const Now now_ = testing::FakeClock().now;
  ExpiryClock clock_;
  DesiredState state_{limits_, [this](const InterfaceObject&) { return interface_problem_; }};
  HubView hub_;
};

TEST_F(DesiredStateTest, AppliesASnapshotWhole) {
  for (const StoredObject& object :
       {Interface({"100.64.0.1/32"}), Peer(1, {"100.64.0.7/32"}), Resource("a", {"10.0.0.0/24"}),
        Grant(1, "a", (now_.wall + seconds(60)).since_epoch().count())}) {
    hub_.Put(object);
  }
  auto outcome = PrepareSnapshot(hub_, 5);
  const PreparedChange& change = std::get<PreparedChange>(outcome);
  EXPECT_TRUE(change.update.is_snapshot);
  EXPECT_THAT(change.update.peers, SizeIs(1));
  EXPECT_THAT(change.update.resources, SizeIs(1));
  ASSERT_THAT(change.update.grants, SizeIs(1));
  EXPECT_EQ(change.update.grants[0].deadline, now_.boot + seconds(60));
  EXPECT_FALSE(change.narrows);
  ASSERT_TRUE(change.host);
  EXPECT_THAT(change.host->addresses, ElementsAre(IpPrefix::Parse("100.64.0.1/32").value()));
  EXPECT_THAT(change.host->served,
              ElementsAre(ServedPrefix{IpPrefix::Parse("10.0.0.0/24").value(), true}));
  EXPECT_THAT(change.upserts, SizeIs(4));
  EXPECT_FALSE(state_.has_state());
  state_.Commit();
  EXPECT_EQ(state_.revision(), 5U);
  EXPECT_EQ(state_.objects().digest().bytes(), hub_.Digest());
}

TEST_F(DesiredStateTest, NamesEveryObjectItRejectsAndTheirDependents) {
  StoredObject bad = Peer(2, {"10.0.0.1/32"});
  for (const StoredObject& object :
       {Peer(1, {"100.64.0.7/32"}), bad, Resource("a", {"10.0.0.0/24"}), Grant(1, "a"),
        Grant(2, "a")}) {
    hub_.Put(object);
  }
  auto outcome = PrepareSnapshot(hub_, 5);
  const Refusal& refusal = std::get<Refusal>(outcome);
  ASSERT_THAT(refusal.rejections, SizeIs(2));
  EXPECT_EQ(refusal.rejections[0].object, IdOf(bad));
  EXPECT_EQ(refusal.rejections[0].problem.code, "OUTSIDE_TUNNEL_RANGES");
  EXPECT_EQ(refusal.rejections[1].object, IdOf(Grant(2, "a")));
  EXPECT_EQ(refusal.rejections[1].problem.code, "MISSING");
  EXPECT_THAT(refusal.rejections[1].cured_by, ElementsAre(IdOf(bad)));
  EXPECT_FALSE(state_.has_state());
}

TEST_F(DesiredStateTest, RefusesAnEpochThatIsEmptyOrTooLong) {
  for (const std::string& epoch : {std::string(), std::string(65, 'e')}) {
    auto outcome = state_.Prepare(ProposedSnapshot{epoch, 1, {}, HubView().Digest()}, clock_);
    EXPECT_THAT(std::get<Refusal>(outcome).text, HasSubstr("epoch"));
  }
}

TEST_F(DesiredStateTest, AsksForASnapshotWhenTheDigestDoesNotMatch) {
  hub_.Put(Peer(1, {"100.64.0.7/32"}));
  auto outcome =
      state_.Prepare(ProposedSnapshot{"epoch", 1, hub_.Objects(), std::string(32, 'x')}, clock_);
  EXPECT_TRUE(std::get<Refusal>(outcome).needs_snapshot);

  Start({});
  auto delta = state_.Prepare(
      ProposedDelta{"epoch", 1, 2, {}, {Peer(2, {"100.64.0.8/32"})}, std::string(32, 'x')}, clock_);
  EXPECT_TRUE(std::get<Refusal>(delta).needs_snapshot);
  EXPECT_EQ(state_.objects().digest().bytes(), hub_.Digest());
  EXPECT_EQ(state_.revision(), 1U);
}

TEST_F(DesiredStateTest, NeverGoesBackWithinAnEpoch) {
  Start({}, 7);
  auto older = PrepareSnapshot(hub_, 6);
  EXPECT_FALSE(std::get<Refusal>(older).needs_snapshot);
  EXPECT_TRUE(std::holds_alternative<PreparedChange>(PrepareSnapshot(hub_, 7)));
  state_.Abandon();
  const HubView other("another epoch");
  EXPECT_TRUE(std::holds_alternative<PreparedChange>(PrepareSnapshot(other, 1)));
  state_.Commit();
  EXPECT_EQ(state_.epoch(), "another epoch");
}

TEST_F(DesiredStateTest, TakesADeltaOnlyFromWhatIsApplied) {
  const auto needs_snapshot = [&](ProposedDelta delta) {
    auto outcome = state_.Prepare(std::move(delta), clock_);
    const auto* refusal = std::get_if<Refusal>(&outcome);
    return refusal != nullptr && refusal->needs_snapshot;
  };
  EXPECT_TRUE(needs_snapshot({"epoch", 0, 1, {}, {}, hub_.Digest()})) << "nothing is applied";
  Start({}, 7);
  EXPECT_TRUE(needs_snapshot({"other", 7, 8, {}, {}, hub_.Digest()}));
  EXPECT_TRUE(needs_snapshot({"epoch", 6, 8, {}, {}, hub_.Digest()}));
  EXPECT_TRUE(needs_snapshot({"epoch", 8, 9, {}, {}, hub_.Digest()}));
  auto back = state_.Prepare(ProposedDelta{"epoch", 7, 6, {}, {}, hub_.Digest()}, clock_);
  EXPECT_FALSE(std::get<Refusal>(back).needs_snapshot);
  EXPECT_TRUE(std::holds_alternative<PreparedChange>(PrepareDelta(7, 12, {}, {})));
  state_.Commit();
  EXPECT_EQ(state_.revision(), 12U);
}

TEST_F(DesiredStateTest, AppliesRemovalsThenUpserts) {
  Start({Peer(1, {"100.64.0.7/32"}), Resource("a", {"10.0.0.0/24"}), Grant(1, "a")});
  auto outcome =
      PrepareDelta(1, 2, {IdOf(Grant(1, "a"))}, {Peer(2, {"100.64.0.8/32"}), Grant(2, "a")});
  const PreparedChange& change = std::get<PreparedChange>(outcome);
  EXPECT_FALSE(change.update.is_snapshot);
  EXPECT_THAT(change.update.removed_grants, ElementsAre(access::GrantKey{KeyOf(1), "a"}));
  EXPECT_THAT(change.update.peers, SizeIs(1));
  EXPECT_THAT(change.update.grants, SizeIs(1));
  EXPECT_THAT(change.removals, SizeIs(1));
  EXPECT_THAT(change.upserts, SizeIs(2));
  EXPECT_TRUE(change.narrows);
  EXPECT_FALSE(change.host);
  state_.Commit();
  EXPECT_EQ(state_.objects().digest().bytes(), hub_.Digest());
}

TEST_F(DesiredStateTest, AbandonsADeltaWithoutATrace) {
  Start({Peer(1, {"100.64.0.7/32"}), Resource("a", {"10.0.0.0/24"}), Grant(1, "a")});
  const std::string before = hub_.Digest();
  const auto outcome = PrepareDelta(1, 2, {IdOf(Peer(1, {}))},
                                    {Peer(2, {"100.64.0.7/32"}), Resource("a", {"10.1.0.0/24"})});
  ASSERT_TRUE(std::holds_alternative<PreparedChange>(outcome));
  state_.Abandon();
  EXPECT_EQ(state_.objects().digest().bytes(), before);
  EXPECT_EQ(state_.revision(), 1U);
  // Its prefixes are where they were.
  hub_ = HubView();
  for (const StoredObject& object :
       {Peer(1, {"100.64.0.7/32"}), Resource("a", {"10.0.0.0/24"}), Grant(1, "a")}) {
    hub_.Put(object);
  }
  EXPECT_EQ(OnlyRejection(PrepareDelta(1, 2, {}, {Peer(3, {"100.64.0.7/32"})})).problem.code,
            "OVERLAP");
}

TEST_F(DesiredStateTest, LetsAPrefixMoveBetweenPeersInOneUpdate) {
  Start({Peer(1, {"100.64.0.7/32"}), Peer(2, {"100.64.0.8/32"})});
  const auto outcome =
      PrepareDelta(1, 2, {}, {Peer(1, {"100.64.0.8/32"}), Peer(2, {"100.64.0.7/32"})});
  EXPECT_TRUE(std::holds_alternative<PreparedChange>(outcome));
}

TEST_F(DesiredStateTest, RefusesOverlapsBetweenPeersInAnyNesting) {
  Start({Peer(1, {"100.64.0.0/24"})});
  for (const char* prefix : {"100.64.0.0/24", "100.64.0.9/32", "100.64.0.0/16"}) {
    hub_ = HubView();
    hub_.Put(Peer(1, {"100.64.0.0/24"}));
    const Rejection rejection = OnlyRejection(PrepareDelta(1, 2, {}, {Peer(2, {prefix})}));
    EXPECT_EQ(rejection.problem.code, "OVERLAP");
    EXPECT_EQ(rejection.problem.field, "allowed_ips[0]");
    EXPECT_THAT(rejection.cured_by, ElementsAre(PeerId(KeyOf(1))));
  }
}

TEST_F(DesiredStateTest, KeepsItsOwnAddressFromPeers) {
  Start({Interface({"100.64.0.1/32"})});
  EXPECT_EQ(OnlyRejection(PrepareDelta(1, 2, {}, {Peer(1, {"100.64.0.0/24"})})).problem.code,
            "OVERLAP");
}

TEST_F(DesiredStateTest, TakesNoAddressThatAPeerHolds) {
  Start({Peer(1, {"100.64.0.0/24"})});
  const Rejection rejection = OnlyRejection(PrepareDelta(1, 2, {}, {Interface({"100.64.0.1/32"})}));
  EXPECT_EQ(rejection.problem.code, "OVERLAP");
  EXPECT_THAT(rejection.cured_by, ElementsAre(PeerId(KeyOf(1))));
}

TEST_F(DesiredStateTest, AsksTheHostAboutTheInterface) {
  Start({});
  interface_problem_ = Problem{"tunnel_ranges[0]", "FORBIDDEN_ROUTE", "covers a local address"};
  EXPECT_EQ(OnlyRejection(PrepareDelta(1, 2, {}, {Interface({"100.64.0.1/32"})})).problem.code,
            "FORBIDDEN_ROUTE");
}

TEST_F(DesiredStateTest, GrantsNothingForWhatIsNotThere) {
  Start({Peer(1, {"100.64.0.7/32"}), Resource("a", {"10.0.0.0/24"})});
  EXPECT_EQ(OnlyRejection(PrepareDelta(1, 2, {}, {Grant(1, "b")})).problem.field, "resource_id");
  hub_.Remove(IdOf(Grant(1, "b")));
  EXPECT_EQ(OnlyRejection(PrepareDelta(1, 2, {}, {Grant(2, "a")})).problem.field,
            "peer_public_key");
}

TEST_F(DesiredStateTest, NeverRefusesARemoval) {
  Start({Peer(1, {"100.64.0.7/32"}), Resource("a", {"10.0.0.0/24"}), Grant(1, "a")});
  // Of a peer with grants, of what is not there, twice, and of no known kind.
  const ObjectId peer = IdOf(Peer(1, {}));
  const auto outcome = PrepareDelta(1, 2, {peer, peer, {kPeerKind, "?"}, {99, "?"}}, {});
  ASSERT_TRUE(std::holds_alternative<PreparedChange>(outcome));
  EXPECT_THAT(std::get<PreparedChange>(outcome).update.removed_peers, ElementsAre(KeyOf(1)));
  EXPECT_THAT(std::get<PreparedChange>(outcome).removals, SizeIs(1));
  state_.Commit();

  // The grant that outlived its peer is there again with it.
  auto again = PrepareDelta(2, 3, {}, {Peer(1, {"100.64.0.7/32"})});
  EXPECT_THAT(std::get<PreparedChange>(again).update.grants, SizeIs(1));
}

TEST_F(DesiredStateTest, RemakesAPeerThatIsRemovedAndPutInOneUpdate) {
  Start({Peer(1, {"100.64.0.7/32"}), Resource("a", {"10.0.0.0/24"}), Grant(1, "a")});
  auto outcome = PrepareDelta(1, 2, {IdOf(Peer(1, {}))}, {Peer(1, {"100.64.0.9/32"})});
  const PreparedChange& change = std::get<PreparedChange>(outcome);
  EXPECT_THAT(change.update.removed_peers, SizeIs(1));
  EXPECT_THAT(change.update.peers, SizeIs(1));
  EXPECT_THAT(change.update.grants, SizeIs(1)) << "the engine forgot them with the peer";
  EXPECT_THAT(change.removals, IsEmpty());
}

TEST_F(DesiredStateTest, RefusesAnObjectThatIsThereTwice) {
  Start({});
  auto outcome = state_.Prepare(
      ProposedDelta{"epoch", 1, 2, {}, {Peer(1, {"100.64.0.7/32"}), Peer(1, {})}, hub_.Digest()},
      clock_);
  EXPECT_EQ(OnlyRejection(std::move(outcome)).problem.code, "DUPLICATE");
}

TEST_F(DesiredStateTest, HoldsItsLimits) {
  limits_.max_peers = 2;
  limits_.max_resources = 1;
  limits_.max_grants = 1;
  Start({Peer(1, {}), Peer(2, {}), Resource("a", {"10.0.0.0/24"}), Grant(1, "a")});
  for (const StoredObject& object : {Peer(3, {}), Resource("b", {"10.1.0.0/24"}), Grant(2, "a")}) {
    const Rejection rejection = OnlyRejection(PrepareDelta(1, 2, {}, {object}));
    EXPECT_EQ(rejection.problem.code, "LIMIT");
    hub_.Remove(IdOf(object));
  }
  // Replacing is no addition, and a removal makes room.
  EXPECT_TRUE(std::holds_alternative<PreparedChange>(
      PrepareDelta(1, 2, {IdOf(Peer(2, {}))}, {Peer(1, {"100.64.0.7/32"}), Peer(3, {})})));
}

TEST_F(DesiredStateTest, BoundsTheBytesOfAllObjects) {
  limits_.max_state_bytes = 150;
  const Rejection rejection = [&] {
    hub_.Put(Peer(1, {}));
    hub_.Put(Peer(2, {}));
    hub_.Put(Peer(3, {}));
    return OnlyRejection(PrepareSnapshot(hub_, 1));
  }();
  EXPECT_EQ(rejection.problem.code, "LIMIT");
}

TEST_F(DesiredStateTest, NamesAThousandRejectionsAtMost) {
  for (int i = 0; i < 1500; ++i) {
    hub_.Put(Peer(i, {"10.0.0.1/32"}));
  }
  EXPECT_THAT(std::get<Refusal>(PrepareSnapshot(hub_, 1)).rejections,
              SizeIs(DesiredState::kMaxRejections));
}

TEST_F(DesiredStateTest, SaysWhatAChangeTakesAway) {
  Start({Peer(1, {"100.64.0.7/32"}), Peer(2, {}), Resource("a", {"10.0.0.0/24"}), Grant(1, "a")});
  auto adds = PrepareDelta(1, 2, {}, {Grant(2, "a")});
  EXPECT_FALSE(std::get<PreparedChange>(adds).narrows);
  state_.Commit();
  auto replaces = PrepareDelta(2, 3, {}, {Resource("a", {"10.0.0.0/25"})});
  EXPECT_TRUE(std::get<PreparedChange>(replaces).narrows);
  EXPECT_THAT(std::get<PreparedChange>(replaces).narrowing.removed_resources, ElementsAre("a"));
  state_.Commit();
  hub_.Remove(IdOf(Grant(1, "a")));
  auto omits = PrepareSnapshot(hub_, 4);
  EXPECT_TRUE(std::get<PreparedChange>(omits).narrows);
  EXPECT_THAT(std::get<PreparedChange>(omits).narrowing.removed_grants, SizeIs(1));
}

TEST_F(DesiredStateTest, ClearsWhatAPeerNoLongerHas) {
  testing::pb::PeerConfig body = testing::PeerBody(1, {});
  body.set_preshared_key(std::string(32, 'p'));
  body.set_persistent_keepalive(25);
  Start({{kPeerKind, testing::KeyBytes(1), body.SerializeAsString()}});
  auto outcome = PrepareDelta(1, 2, {}, {Peer(1, {})});
  const engine::PeerPatch& patch = std::get<PreparedChange>(outcome).update.peers.at(0);
  EXPECT_TRUE(crypto::IsAllZero(patch.preshared_key.value().bytes()));
  EXPECT_EQ(patch.persistent_keepalive, 0);
  EXPECT_TRUE(patch.replace_allowed_ips);
}

TEST_F(DesiredStateTest, TranslatesWhatOneOfTheResourcesWantsTranslated) {
  testing::pb::ResourceConfig plain = testing::ResourceBody("b", {"10.0.0.0/24", "10.1.0.0/24"});
  plain.set_nat(false);
  Start({Resource("a", {"10.0.0.0/24"}), {kResourceKind, "b", plain.SerializeAsString()}});
  EXPECT_THAT(state_.objects().Served(),
              ElementsAre(ServedPrefix{IpPrefix::Parse("10.0.0.0/24").value(), true},
                          ServedPrefix{IpPrefix::Parse("10.1.0.0/24").value(), false}));
  auto outcome = PrepareDelta(1, 2, {{kResourceKind, "a"}}, {});
  EXPECT_THAT(std::get<PreparedChange>(outcome).host->served,
              ElementsAre(ServedPrefix{IpPrefix::Parse("10.0.0.0/24").value(), false},
                          ServedPrefix{IpPrefix::Parse("10.1.0.0/24").value(), false}));
}

TEST_F(DesiredStateTest, LeavesOutOfARestoredViewWhatTheFlagsNoLongerAllow) {
  state::StoredView view;
  view.version.epoch = "epoch";
  view.version.revision = 9;
  view.objects = {Grant(2, "a"), Peer(1, {"100.64.0.7/32"}), Peer(2, {"100.96.0.7/32"}),
                  Resource("a", {"10.0.0.0/24"}), Grant(1, "a")};
  std::vector<Rejection> left_out;
  const PreparedChange change = state_.PrepareRestored(std::move(view), clock_, left_out);
  EXPECT_THAT(left_out, SizeIs(2)) << "the peer outside the ranges, and its grant";
  EXPECT_THAT(change.update.grants, SizeIs(1));
  state_.Commit();
  EXPECT_EQ(state_.revision(), 9U);
  EXPECT_EQ(state_.objects().size(), 3U);
}

TEST_F(DesiredStateTest, KnowsTheGrantsThatEnd) {
  Start({Peer(1, {}), Resource("a", {"10.0.0.0/24"}), Resource("b", {"10.1.0.0/24"}),
         Grant(1, "a", (now_.wall + seconds(60)).since_epoch().count()), Grant(1, "b")});
  const engine::Update update = state_.ExpiringGrants(clock_);
  ASSERT_THAT(update.grants, SizeIs(1));
  EXPECT_EQ(update.grants[0].resource_id, "a");
  EXPECT_EQ(update.grants[0].deadline, now_.boot + seconds(60));
}

}  // namespace
}  // namespace adit::rpc
