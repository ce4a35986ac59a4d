#include "controlplane/model/view_delta.h"

#include <map>

#include "tests/controlplane/model/model_fixture.h"
#include "tests/controlplane/model/random_requests.h"
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
