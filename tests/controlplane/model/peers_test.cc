#include "tests/controlplane/model/model_fixture.h"

namespace adit::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Peers = ModelFixture;
using Fields = std::vector<std::string>;

TEST_F(Peers, AreGivenAddressesAndTheOnlyNode) {
  AddNode("gw");
  PeerCreate create = NewPeer("alice");
  create.preshared_key = KeyNumber(999).ToBase64();
  create.endpoint = "192.0.2.7:51820";
  create.keepalive = 25;
  Accept(CreatePeer(state_, create, kNow));
  const Peer& peer = *state_.FindPeer("alice");
  EXPECT_EQ(peer.node, "gw");
  EXPECT_EQ(peer.addresses.v4.ToString(), "100.64.0.2");
  EXPECT_EQ(peer.addresses.v6.ToString(), "fd00:2021:1111::2");
  EXPECT_EQ(peer.endpoint, Endpoint::Parse("192.0.2.7:51820"));
  EXPECT_EQ(peer.keepalive, 25);
  EXPECT_TRUE(std::ranges::equal(peer.preshared_key->bytes(), KeyNumber(999).bytes()));
  EXPECT_EQ(peer.created, kNow);
  EXPECT_EQ(peer.revision, state_.revision());
  EXPECT_EQ(state_.FindPeerByKey(peer.public_key), &peer);
}

TEST_F(Peers, NeedANodeThatIsNamedUnlessItIsTheOnlyOne) {
  const auto required =
      IsRefusal(absl::StatusCode::kFailedPrecondition, "NODE_REQUIRED", Fields{"node"});
  absl::Status status = CreatePeer(state_, NewPeer("alice"), kNow).status();
  EXPECT_THAT(status, required);
  EXPECT_THAT(MessageOf(status), HasSubstr("there is no node yet"));
  AddNode("gw1");
  AddNode("gw2");
  status = CreatePeer(state_, NewPeer("alice"), kNow).status();
  EXPECT_THAT(status, required);
  EXPECT_THAT(MessageOf(status), HasSubstr("--gateway"));
  EXPECT_THAT(CreatePeer(state_, NewPeer("alice", "gw3"), kNow).status(),
              IsRefusal(absl::StatusCode::kNotFound, "NOT_FOUND", Fields{"node"}));
  AddPeer("alice", "gw2");
  EXPECT_EQ(state_.FindPeer("alice")->node, "gw2");
}

TEST_F(Peers, NeedANodeThatAdvertisesAnEndpoint) {
  AddNode("gw");
  NodeUpdate update;
  update.name = "gw";
  update.advertise = "";
  Accept(UpdateNode(state_, update));
  const absl::Status status = CreatePeer(state_, NewPeer("alice"), kNow).status();
  EXPECT_THAT(status,
              IsRefusal(absl::StatusCode::kFailedPrecondition, "NO_ADVERTISE", Fields{"node"}));
  EXPECT_THAT(MessageOf(status), HasSubstr("--advertise HOST:PORT"));
}

TEST_F(Peers, NamesAreLowerCaseLabels) {
  AddNode("gw");
  const std::string longest(63, 'a');
  for (const std::string& bad : {std::string(), std::string("Alice"), std::string("a.b"),
                                 std::string("-a"), std::string("a-"), std::string("a b"),
                                 longest + "a", std::string("a\0b", 3), std::string("é")}) {
    EXPECT_THAT(CreatePeer(state_, NewPeer(bad), kNow).status(), IsInvalid({"name"})) << bad;
  }
  EXPECT_TRUE(CreatePeer(state_, NewPeer(longest), kNow).ok());
  EXPECT_TRUE(CreatePeer(state_, NewPeer("0-9"), kNow).ok());
}

TEST_F(Peers, EveryWrongFieldIsNamed) {
  AddNode("gw");
  PeerCreate create = NewPeer("Alice");
  create.public_key = "short";
  create.preshared_key = "";
  create.endpoint = "gw.example.com:1";
  create.keepalive = 65'536;
  EXPECT_THAT(CreatePeer(state_, create, kNow).status(),
              IsInvalid({"name", "public_key", "preshared_key", "endpoint", "keepalive"}));
}

TEST_F(Peers, PublicKeysAreCanonicalAndNotZero) {
  AddNode("gw");
  PeerCreate create = NewPeer("alice");
  for (const char* bad : {"", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                          "QAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=",
                          "QAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}) {
    create.public_key = bad;
    EXPECT_THAT(CreatePeer(state_, create, kNow).status(), IsInvalid({"public_key"})) << bad;
  }
}

TEST_F(Peers, PublicKeysAreUniqueAmongPeersAndNodes) {
  AddNode("gw", 1000);
  AddPeer("alice");
  PeerCreate create = NewPeer("bob");
  const auto in_use =
      IsRefusal(absl::StatusCode::kAlreadyExists, "KEY_IN_USE", Fields{"public_key"});
  create.public_key = state_.FindPeer("alice")->public_key.ToBase64();
  EXPECT_THAT(CreatePeer(state_, create, kNow).status(), in_use);
  create.public_key = KeyNumber(1000).ToBase64();
  EXPECT_THAT(CreatePeer(state_, create, kNow).status(), in_use);
  PeerRotate rotate;
  rotate.name = "alice";
  rotate.public_key = KeyNumber(1000).ToBase64();
  EXPECT_THAT(RotatePeer(state_, rotate).status(), in_use);
}

TEST_F(Peers, PresharedKeysAreNotZero) {
  AddNode("gw");
  PeerCreate create = NewPeer("alice");
  create.preshared_key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
  EXPECT_THAT(CreatePeer(state_, create, kNow).status(), IsInvalid({"preshared_key"}));
}

TEST_F(Peers, EndpointsAreNumericAndReachable) {
  AddNode("gw");
  PeerCreate create = NewPeer("alice");
  for (const char* bad :
       {"", "192.0.2.1", "192.0.2.1:0", "[fe80::1%1]:5", "0.0.0.0:5", "224.0.0.1:5",
        "[::ffff:192.0.2.1]:5", "100.64.9.9:5", "[fd00:2021:1111::9]:5", "name:5"}) {
    create.endpoint = bad;
    EXPECT_THAT(CreatePeer(state_, create, kNow).status(), IsInvalid({"endpoint"})) << bad;
  }
  create.endpoint = "[2001:db8::1]:51820";
  EXPECT_TRUE(CreatePeer(state_, create, kNow).ok());
}

TEST_F(Peers, KeepaliveIsWithinItsBounds) {
  AddNode("gw");
  PeerCreate create = NewPeer("alice");
  for (const std::uint32_t bad : {0U, 65'536U, 0xffffffffU}) {
    create.keepalive = bad;
    EXPECT_THAT(CreatePeer(state_, create, kNow).status(), IsInvalid({"keepalive"}));
  }
  create.keepalive = 65'535;
  EXPECT_TRUE(CreatePeer(state_, create, kNow).ok());
}

TEST_F(Peers, ANameIsTakenOnce) {
  AddNode("gw");
  AddPeer("alice");
  EXPECT_THAT(CreatePeer(state_, NewPeer("alice"), kNow).status(),
              IsRefusal(absl::StatusCode::kAlreadyExists, "ALREADY_EXISTS", Fields{"name"}));
}

TEST_F(Peers, UpdateChangesOnlyWhatIsInTheMask) {
  AddNode("gw");
  PeerCreate create = NewPeer("alice");
  create.endpoint = "192.0.2.7:51820";
  create.keepalive = 25;
  Accept(CreatePeer(state_, create, kNow));
  PeerUpdate update;
  update.name = "alice";
  EXPECT_TRUE(UpdatePeer(state_, update)->empty());
  update.keepalive.emplace(std::nullopt);
  Accept(UpdatePeer(state_, update));
  EXPECT_EQ(state_.FindPeer("alice")->keepalive, 0);
  EXPECT_TRUE(state_.FindPeer("alice")->endpoint.has_value());
  update.keepalive.reset();
  update.endpoint.emplace(std::nullopt);
  Accept(UpdatePeer(state_, update));
  EXPECT_FALSE(state_.FindPeer("alice")->endpoint.has_value());
  EXPECT_EQ(state_.FindPeer("alice")->revision, state_.revision());
  update.endpoint = "nonsense";
  update.keepalive = 0;
  EXPECT_THAT(UpdatePeer(state_, update).status(), IsInvalid({"endpoint", "keepalive"}));
}

TEST_F(Peers, MoveToAnotherNodeKeepsAddressesAndNeedsANewExport) {
  AddNode("gw1");
  AddNode("gw2");
  AddResource("wiki", "10.0.0.1", "gw2");
  AddPeer("alice", "gw1");
  const TunnelAddresses addresses = state_.FindPeer("alice")->addresses;
  PeerUpdate update;
  update.name = "alice";
  update.node = "gw2";
  Accept(UpdatePeer(state_, update));
  EXPECT_EQ(state_.FindPeer("alice")->addresses, addresses);
  EXPECT_THAT(state_.PeersOf("gw1"), IsEmpty());
  EXPECT_THAT(state_.PeersOf("gw2"), ElementsAre("alice"));
  EXPECT_THAT(NotInExport(state_, *state_.FindPeer("alice")), ElementsAre("wiki"));
  update.node = "gw9";
  EXPECT_THAT(UpdatePeer(state_, update).status(),
              IsRefusal(absl::StatusCode::kNotFound, "NOT_FOUND", Fields{"node"}));
}

TEST_F(Peers, RotateReplacesTheKeyUnderTheSameAddresses) {
  AddNode("gw");
  PeerCreate create = NewPeer("alice");
  create.preshared_key = KeyNumber(999).ToBase64();
  Accept(CreatePeer(state_, create, kNow));
  const Peer before = *state_.FindPeer("alice");
  PeerRotate rotate;
  rotate.name = "alice";
  rotate.public_key = KeyNumber(500).ToBase64();
  Accept(RotatePeer(state_, rotate));
  EXPECT_EQ(state_.FindPeer("alice")->public_key, KeyNumber(500));
  EXPECT_EQ(state_.FindPeer("alice")->addresses, before.addresses);
  EXPECT_EQ(state_.FindPeer("alice")->preshared_key, before.preshared_key);
  EXPECT_EQ(state_.FindPeerByKey(before.public_key), nullptr);
  rotate.public_key = KeyNumber(501).ToBase64();
  rotate.remove_preshared_key = true;
  Accept(RotatePeer(state_, rotate));
  EXPECT_FALSE(state_.FindPeer("alice")->preshared_key.has_value());
}

TEST_F(Peers, RotateIsRefusedForContradictions) {
  AddNode("gw");
  AddPeer("alice");
  PeerRotate rotate;
  rotate.name = "alice";
  rotate.public_key = state_.FindPeer("alice")->public_key.ToBase64();
  EXPECT_THAT(RotatePeer(state_, rotate).status(), IsInvalid({"public_key"}));
  rotate.public_key = KeyNumber(500).ToBase64();
  rotate.preshared_key = KeyNumber(501).ToBase64();
  rotate.remove_preshared_key = true;
  EXPECT_THAT(RotatePeer(state_, rotate).status(), IsInvalid({"preshared_key"}));
}

TEST_F(Peers, EtagsAreCompared) {
  AddNode("gw");
  AddPeer("alice");
  const auto mismatch = IsRefusal(absl::StatusCode::kAborted, "ETAG_MISMATCH", Fields{"etag"});
  PeerUpdate update;
  update.name = "alice";
  update.etag = "1";
  EXPECT_THAT(UpdatePeer(state_, update).status(), mismatch);
  PeerRotate rotate;
  rotate.name = "alice";
  rotate.etag = "x";
  EXPECT_THAT(RotatePeer(state_, rotate).status(), mismatch);
  EXPECT_THAT(DeletePeer(state_, "alice", "1").status(), mismatch);
  update.etag = EtagOf(state_.FindPeer("alice")->revision);
  EXPECT_TRUE(UpdatePeer(state_, update).ok());
}

TEST_F(Peers, WhatDoesNotExistIsNotFound) {
  const auto not_found = IsRefusal(absl::StatusCode::kNotFound, "NOT_FOUND", kNoFields);
  PeerUpdate update;
  update.name = "nobody";
  PeerRotate rotate;
  rotate.name = "nobody";
  EXPECT_THAT(UpdatePeer(state_, update).status(), not_found);
  EXPECT_THAT(RotatePeer(state_, rotate).status(), not_found);
  EXPECT_THAT(DeletePeer(state_, "nobody", "").status(), not_found);
  EXPECT_THAT(RecordExport(state_, "nobody").status(), not_found);
}

TEST_F(Peers, DeleteTakesThePeerOutOfPoliciesAndDeletesThoseLeftEmpty) {
  AddNode("gw");
  AddPeer("alice");
  AddPeer("bob");
  AddResource("wiki", "10.0.0.1");
  AddPolicy("both", {"alice", "bob"}, {"wiki"});
  AddPolicy("only", {"alice"}, {"wiki"});
  const Change change = DeletePeer(state_, "alice", "").value();
  EXPECT_THAT(change.policies.deletes, ElementsAre("only"));
  Accept(change);
  EXPECT_THAT(state_.FindPolicy("both")->peers, ElementsAre("bob"));
  EXPECT_EQ(state_.FindPolicy("both")->revision, state_.revision());
  EXPECT_EQ(state_.FindPolicy("only"), nullptr);
  EXPECT_THAT(state_.PoliciesOfPeer("alice"), IsEmpty());
  EXPECT_THAT(state_.PoliciesOfResource("wiki"), ElementsAre("both"));
}

TEST_F(Peers, ExportsKnowWhichResourcesCameLater) {
  AddNode("gw");
  AddResource("early", "10.0.0.1");
  AddPeer("alice");
  EXPECT_THAT(NotInExport(state_, *state_.FindPeer("alice")), IsEmpty());
  EXPECT_TRUE(RecordExport(state_, "alice")->empty());
  AddResource("late", "10.0.0.2");
  ResourceUpdate update;
  update.name = "early";
  update.nat = false;
  Accept(UpdateResource(state_, update));
  EXPECT_THAT(NotInExport(state_, *state_.FindPeer("alice")), ElementsAre("late"));
  update.cidrs = {"10.0.0.9"};
  Accept(UpdateResource(state_, update));
  EXPECT_THAT(NotInExport(state_, *state_.FindPeer("alice")), ElementsAre("early", "late"));
  const std::uint64_t etag = state_.FindPeer("alice")->revision;
  EXPECT_THAT(Accept(RecordExport(state_, "alice")), IsEmpty());
  EXPECT_THAT(NotInExport(state_, *state_.FindPeer("alice")), IsEmpty());
  EXPECT_EQ(state_.FindPeer("alice")->revision, etag);
}

}  // namespace
}  // namespace adit::model
