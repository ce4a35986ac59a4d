#include "tests/controlplane/model/model_fixture.h"

namespace adit::model {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;
using Views = ModelFixture;

TEST_F(Views, HoldInterfacePeersResourcesAndGrantsOfTheNodeOnly) {
  AddNode("gw1");
  AddNode("gw2");
  AddPeer("alice", "gw1");
  AddPeer("bob", "gw2");
  AddResource("wiki", "10.0.0.1", "gw1");
  AddResource("git", "10.0.0.2", "gw2");
  AddPolicy("all", {"alice", "bob"}, {"git", "wiki"});
  const PublicKey alice = state_.FindPeer("alice")->public_key;
  const std::vector<ViewObject> view = ViewOf(state_, "gw1");
  ASSERT_THAT(IdsOf(view), ElementsAre(InterfaceId(), PeerId(alice), ResourceId("wiki"),
                                       GrantId(alice, "wiki")));
  EXPECT_EQ(std::get<InterfaceView>(view[0].body),
            (InterfaceView{state_.FindNode("gw1")->addresses.hosts(), Network().ranges()}));
  EXPECT_EQ(std::get<PeerView>(view[1].body).allowed_ips,
            state_.FindPeer("alice")->addresses.hosts());
  EXPECT_EQ(std::get<ResourceView>(view[2].body).prefixes, state_.FindResource("wiki")->cidrs);
  EXPECT_EQ(std::get<GrantView>(view[3].body), (GrantView{alice, "wiki", std::nullopt}));
  EXPECT_THAT(ViewOf(state_, "gw3"), IsEmpty());
}

TEST_F(Views, GrantNothingWithoutAPolicyThatIsEnabled) {
  AddNode("gw");
  AddPeer("alice");
  AddResource("wiki", "10.0.0.1");
  EXPECT_EQ(ViewObjectOf(state_, "gw", Grant("alice", "wiki")), std::nullopt);
  PolicyCreate create = NewPolicy("p", {"alice"}, {"wiki"});
  create.disabled = true;
  Accept(CreatePolicy(state_, create, kNow));
  EXPECT_EQ(ViewObjectOf(state_, "gw", Grant("alice", "wiki")), std::nullopt);
}

TEST_F(Views, OfSeveralPoliciesTheOneThatLastsLongestDecides) {
  AddNode("gw");
  AddPeer("alice");
  AddResource("wiki", "10.0.0.1");
  AddPolicy("early", {"alice"}, {"wiki"}, kNow + seconds(10));
  AddPolicy("late", {"alice"}, {"wiki"}, kNow + seconds(20));
  const auto expiry = [&] {
    return std::get<GrantView>(*ViewObjectOf(state_, "gw", Grant("alice", "wiki"))).expires_at;
  };
  EXPECT_THAT(expiry(), Optional(kNow + seconds(20)));
  AddPolicy("always", {"alice"}, {"wiki"});
  EXPECT_EQ(expiry(), std::nullopt);
  Accept(DeletePolicy(state_, "always", ""));
  Accept(DeletePolicy(state_, "late", ""));
  EXPECT_THAT(expiry(), Optional(kNow + seconds(10)));
}

TEST_F(Views, KeepaliveGoesOnlyTowardAFixedEndpoint) {
  AddNode("gw");
  PeerCreate create = NewPeer("alice");
  create.keepalive = 25;
  Accept(CreatePeer(state_, create, kNow));
  const auto keepalive = [&] {
    const ObjectId id = PeerId(state_.FindPeer("alice")->public_key);
    return std::get<PeerView>(*ViewObjectOf(state_, "gw", id)).persistent_keepalive;
  };
  EXPECT_EQ(keepalive(), 0);
  PeerUpdate update;
  update.name = "alice";
  update.endpoint = "192.0.2.1:5";
  Accept(UpdatePeer(state_, update));
  EXPECT_EQ(keepalive(), 25);
}

TEST_F(Views, ObjectsAreDescribedByTheirNames) {
  AddNode("gw");
  AddPeer("alice");
  EXPECT_EQ(Describe(state_, InterfaceId()), "interface");
  EXPECT_EQ(Describe(state_, ResourceId("wiki")), "resource/wiki");
  EXPECT_EQ(Describe(state_, PeerId(state_.FindPeer("alice")->public_key)), "peer/alice");
  EXPECT_EQ(Describe(state_, Grant("alice", "wiki")), "grant/alice/wiki");
  EXPECT_EQ(Describe(state_, PeerId(KeyNumber(77))), "peer/" + KeyNumber(77).ToBase64());
  EXPECT_EQ(Describe(state_, {static_cast<ViewKind>(9), "x"}), "object of kind 9");
  EXPECT_EQ(Describe(state_, {ViewKind::kGrant, "x"}), "object of kind 4");
}

TEST_F(Views, GrantsNeedTheirPeerAndResource) {
  EXPECT_THAT(NeedsOf(GrantId(KeyNumber(1), "wiki")),
              ElementsAre(PeerId(KeyNumber(1)), ResourceId("wiki")));
  EXPECT_THAT(NeedsOf(PeerId(KeyNumber(1))), IsEmpty());
  EXPECT_THAT(NeedsOf({ViewKind::kGrant, "x"}), IsEmpty());
}

}  // namespace
}  // namespace adit::model
