#include "controlplane/model/view_delta.h"

#include <map>

#include "tests/controlplane/model/model_fixture.h"
#include "tests/support/seeded_random.h"

namespace adit::model {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ViewDeltas : public ModelFixture {
 protected:
  ViewDeltas() {
    AddNode("gw1");
    AddNode("gw2");
    AddPeer("alice", "gw1");
    AddPeer("bob", "gw2");
    AddResource("wiki", "10.0.0.1", "gw1");
    AddResource("git", "10.0.0.2", "gw2");
  }
};

TEST_F(ViewDeltas, ANewPolicyConcernsTheNodesOfItsPairs) {
  const auto deltas = AddPolicy("p", {"alice"}, {"git", "wiki"});
  ASSERT_EQ(deltas.size(), 1U);
  EXPECT_EQ(deltas[0].node, "gw1");
  EXPECT_THAT(IdsOf(deltas[0].upserts), ElementsAre(Grant("alice", "wiki")));
  EXPECT_THAT(deltas[0].removals, IsEmpty());
  EXPECT_FALSE(deltas[0].takes_rights);
}

TEST_F(ViewDeltas, DeletingAPeerRemovesItAndItsGrants) {
  AddPolicy("p", {"alice", "bob"}, {"git", "wiki"}, kNow + seconds(5));
  const ObjectId peer = PeerId(state_.FindPeer("alice")->public_key);
  const ObjectId grant = Grant("alice", "wiki");
  const auto deltas = Accept(DeletePeer(state_, "alice", ""));
  ASSERT_EQ(deltas.size(), 1U);
  EXPECT_THAT(deltas[0].removals, ElementsAre(peer, grant));
  EXPECT_THAT(deltas[0].upserts, IsEmpty());
  EXPECT_TRUE(deltas[0].takes_rights);
  EXPECT_EQ(deltas[0].rights_until, kNow + seconds(5));
}

TEST_F(ViewDeltas, RotatingAKeyReplacesPeerAndGrants) {
  AddPolicy("p", {"alice"}, {"wiki"});
  const ObjectId old_grant = Grant("alice", "wiki");
  PeerRotate rotate;
  rotate.name = "alice";
  rotate.public_key = KeyNumber(500).ToBase64();
  const auto deltas = Accept(RotatePeer(state_, rotate));
  ASSERT_EQ(deltas.size(), 1U);
  EXPECT_EQ(deltas[0].removals.size(), 2U);
  EXPECT_EQ(deltas[0].removals[1], old_grant);
  EXPECT_THAT(IdsOf(deltas[0].upserts),
              ElementsAre(PeerId(KeyNumber(500)), GrantId(KeyNumber(500), "wiki")));
  EXPECT_TRUE(deltas[0].takes_rights);
  EXPECT_EQ(deltas[0].rights_until, std::nullopt);
}

TEST_F(ViewDeltas, MovingAPeerConcernsBothNodes) {
  AddPolicy("p", {"alice"}, {"git", "wiki"});
  PeerUpdate update;
  update.name = "alice";
  update.node = "gw2";
  const auto deltas = Accept(UpdatePeer(state_, update));
  ASSERT_EQ(deltas.size(), 2U);
  EXPECT_EQ(deltas[0].node, "gw1");
  EXPECT_EQ(deltas[0].removals.size(), 2U);
  EXPECT_TRUE(deltas[0].takes_rights);
  EXPECT_EQ(deltas[1].node, "gw2");
  EXPECT_EQ(deltas[1].upserts.size(), 2U);
  EXPECT_FALSE(deltas[1].takes_rights);
}

TEST_F(ViewDeltas, ASecondPolicyOfTheSamePairChangesNothing) {
  AddPolicy("p", {"alice"}, {"wiki"});
  EXPECT_THAT(AddPolicy("q", {"alice"}, {"wiki"}, kNow + seconds(9)), IsEmpty());
  const auto deltas = Accept(DeletePolicy(state_, "p", ""));
  ASSERT_EQ(deltas.size(), 1U);
  // It ends earlier, and until it hears of it the node lets it go on for ever.
  EXPECT_TRUE(deltas[0].takes_rights);
  EXPECT_EQ(deltas[0].rights_until, std::nullopt);
}

TEST_F(ViewDeltas, NarrowingAResourceTakesRightsAndWideningDoesNot) {
  AddPolicy("p", {"alice"}, {"wiki"}, kNow + seconds(7));
  ResourceUpdate update;
  update.name = "wiki";
  update.cidrs = {"10.0.0.0/24"};
  auto deltas = Accept(UpdateResource(state_, update));
  ASSERT_EQ(deltas.size(), 1U);
  EXPECT_FALSE(deltas[0].takes_rights);
  update.cidrs.reset();
  update.filter.emplace();
  update.filter->allow = {{1, 80, 90}};
  deltas = Accept(UpdateResource(state_, update));
  EXPECT_TRUE(deltas[0].takes_rights);
  EXPECT_EQ(deltas[0].rights_until, kNow + seconds(7));
  update.filter->allow = {{1, 70, 90}, {3, 0, 0}};
  EXPECT_FALSE(Accept(UpdateResource(state_, update))[0].takes_rights);
  update.filter->allow = {{1, 80, 90}, {3, 0, 0}};
  EXPECT_TRUE(Accept(UpdateResource(state_, update))[0].takes_rights);
  update.filter.reset();
  update.cidrs = {"10.0.0.1"};
  EXPECT_TRUE(Accept(UpdateResource(state_, update))[0].takes_rights);
  // Nobody has a grant of this one.
  update.name = "git";
  update.cidrs = {"10.0.0.77"};
  EXPECT_FALSE(Accept(UpdateResource(state_, update))[0].takes_rights);
}

TEST_F(ViewDeltas, WhatNoDataPlaneEnforcesConcernsNobody) {
  NodeUpdate node;
  node.name = "gw1";
  node.advertise = "other.example.com:1";
  EXPECT_THAT(Accept(UpdateNode(state_, node)), IsEmpty());
  PeerUpdate peer;
  peer.name = "alice";
  peer.keepalive = 25;
  EXPECT_THAT(Accept(UpdatePeer(state_, peer)), IsEmpty());
}

using View = std::map<ObjectId, ViewBody>;

View WholeView(const State& state, const std::string& node) {
  View view;
  for (ViewObject& object : ViewOf(state, node)) {
    view.emplace(std::move(object.id), std::move(object.body));
  }
  return view;
}

// Random requests of every kind; most succeed.
class RandomRequests {
 public:
  RandomRequests(State& state, testing::SeededRandom& random) : state_(state), random_(random) {}

  absl::StatusOr<Change> Next() {
    switch (random_.Below(14)) {
      case 0: {
        NodeHello hello;
        hello.name = Name("n", 3);
        const Node* known = state_.FindNode(hello.name);
        hello.public_key = BytesOf(known != nullptr ? known->public_key : NextKey());
        hello.advertise = "gw.example.com:" + std::to_string(1 + random_.Below(3));
        return RegisterNode(state_, hello, kNow);
      }
      case 1:
        return DeleteNode(state_, Name("n", 3), "");
      case 2:
      case 3: {
        PeerCreate create;
        create.name = Name("p", 6);
        create.public_key = NextKey().ToBase64();
        create.node = Name("n", 3);
        return CreatePeer(state_, create, kNow);
      }
      case 4: {
        PeerUpdate update;
        update.name = Name("p", 6);
        update.node = Name("n", 3);
        update.endpoint = "192.0.2.1:" + std::to_string(1 + random_.Below(3));
        return UpdatePeer(state_, update);
      }
      case 5: {
        PeerRotate rotate;
        rotate.name = Name("p", 6);
        rotate.public_key = NextKey().ToBase64();
        return RotatePeer(state_, rotate);
      }
      case 6:
        return DeletePeer(state_, Name("p", 6), "");
      case 7: {
        ResourceCreate create;
        create.name = Name("r", 5);
        create.node = Name("n", 3);
        create.cidrs = {Cidr()};
        create.allow_all = true;
        return CreateResource(state_, create, kNow);
      }
      case 8: {
        ResourceUpdate update;
        update.name = Name("r", 5);
        update.node = Name("n", 3);
        update.cidrs = {Cidr()};
        return UpdateResource(state_, update);
      }
      case 9:
        return DeleteResource(state_, Name("r", 5), "");
      case 10:
      case 11: {
        PolicyCreate create;
        create.name = Name("x", 5);
        create.peers = Some("p", 6);
        create.resources = Some("r", 5);
        create.disabled = random_.Chance(0.2);
        create.expires = Expiry();
        return CreatePolicy(state_, create, kNow);
      }
      case 12: {
        PolicyUpdate update;
        update.name = Name("x", 5);
        if (random_.Chance(0.5)) {
          update.peers = Some("p", 6);
        }
        if (random_.Chance(0.5)) {
          update.resources = Some("r", 5);
        }
        if (random_.Chance(0.3)) {
          update.disabled = random_.Chance(0.5);
        }
        if (random_.Chance(0.3)) {
          update.expires = Expiry();
        }
        return UpdatePolicy(state_, update, kNow);
      }
      default:
        return DeletePolicy(state_, Name("x", 5), "");
    }
  }

 private:
  std::string Name(const char* prefix, std::uint64_t count) {
    return prefix + std::to_string(random_.Below(count));
  }
  std::vector<std::string> Some(const char* prefix, std::uint64_t count) {
    std::vector<std::string> names;
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::string name = prefix + std::to_string(i);
      const bool exists =
          *prefix == 'p' ? state_.FindPeer(name) != nullptr : state_.FindResource(name) != nullptr;
      if (exists && random_.Chance(0.5)) {
        names.push_back(name);
      }
    }
    return names;
  }
  std::string Cidr() { return "10.0." + std::to_string(random_.Below(4)) + ".0/24"; }
  std::optional<WallTime> Expiry() {
    return random_.Chance(0.5) ? std::optional(kNow + seconds(1 + random_.Below(3))) : std::nullopt;
  }
  PublicKey NextKey() { return KeyNumber(++last_key_); }

  State& state_;
  testing::SeededRandom& random_;
  std::uint32_t last_key_ = 0;
};

TEST(ViewDeltaProperty, LeadsFromTheViewBeforeToTheViewAfterOnEveryNode) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    testing::SeededRandom random(seed);
    State state = State::Create(Network{}, {std::string(16, 'e'), 0, {}, {}, {}, {}}).value();
    RandomRequests requests(state, random);
    std::map<std::string, View> views;
    int accepted = 0;
    for (int step = 0; step < 400; ++step) {
      absl::StatusOr<Change> change = requests.Next();
      if (!change.ok() || change->empty()) {
        continue;
      }
      ++accepted;
      ASSERT_EQ(change->revision, state.revision() + 1);
      for (const NodeDelta& delta : ApplyChange(state, *std::move(change))) {
        View& view = views[delta.node];
        for (const ObjectId& id : delta.removals) {
          ASSERT_EQ(view.erase(id), 1U);
        }
        for (const ViewObject& object : delta.upserts) {
          view.insert_or_assign(object.id, object.body);
        }
      }
      for (auto& [node, view] : views) {
        if (state.FindNode(node) == nullptr) {
          view.clear();
          continue;
        }
        ASSERT_EQ(view, WholeView(state, node)) << "node " << node << " step " << step;
        for (const auto& [id, body] : view) {
          ASSERT_EQ(ViewObjectOf(state, node, id), body);
        }
      }
    }
    EXPECT_GT(accepted, 100);
  }
}

}  // namespace
}  // namespace adit::model
