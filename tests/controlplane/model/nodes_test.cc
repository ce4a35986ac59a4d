#include "tests/controlplane/model/model_fixture.h"

namespace adit::model {
namespace {

using ::testing::HasSubstr;
using Nodes = ModelFixture;

NodeHello Hello(const std::string& name, std::uint32_t key) {
  NodeHello hello;
  hello.name = name;
  hello.public_key = BytesOf(KeyNumber(key));
  hello.advertise = "192.0.2.1:51820";
  hello.listen_port = 51820;
  hello.mtu = 1280;
  return hello;
}

TEST_F(Nodes, FirstHelloRegistersAndPinsTheKey) {
  const Change change = RegisterNode(state_, Hello("gw", 1), kNow).value();
  EXPECT_EQ(change.revision, 1U);
  EXPECT_EQ(state_.revision(), 0U);  // nothing is applied yet
  Accept(change);
  const Node& node = *state_.FindNode("gw");
  EXPECT_EQ(node.public_key, KeyNumber(1));
  EXPECT_EQ(node.advertise, "192.0.2.1:51820");
  EXPECT_EQ(node.addresses.v4.ToString(), "100.64.0.1");
  EXPECT_EQ(node.addresses.v6.ToString(), "fd00:2021:1111::1");
  EXPECT_EQ(node.created, kNow);
  EXPECT_EQ(node.revision, 1U);
  EXPECT_EQ(state_.FindNodeByKey(KeyNumber(1)), &node);
}

TEST_F(Nodes, TheSameHelloAgainSpendsNoRevision) {
  Accept(RegisterNode(state_, Hello("gw", 1), kNow));
  const Change again = RegisterNode(state_, Hello("gw", 1), kNow + seconds(9)).value();
  EXPECT_TRUE(again.empty());
  EXPECT_EQ(again.revision, 1U);
}

TEST_F(Nodes, HelloBringsWhatItReportsUpToDate) {
  Accept(RegisterNode(state_, Hello("gw", 1), kNow));
  NodeHello hello = Hello("gw", 1);
  hello.mtu = 1420;
  hello.listen_port = 4000;
  hello.advertise = "gw.example.com:4000";
  Accept(RegisterNode(state_, hello, kNow));
  const Node& node = *state_.FindNode("gw");
  EXPECT_EQ(node.mtu, 1420U);
  EXPECT_EQ(node.listen_port, 4000U);
  EXPECT_EQ(node.advertise, "gw.example.com:4000");
  EXPECT_EQ(node.addresses.v4.ToString(), "100.64.0.1");
}

TEST_F(Nodes, AnOperatorsAdvertiseHoldsUntilTheDataPlaneReportsAnother) {
  Accept(RegisterNode(state_, Hello("gw", 1), kNow));
  NodeUpdate update;
  update.name = "gw";
  update.advertise = "vip.example.com:443";
  Accept(UpdateNode(state_, update));
  EXPECT_TRUE(RegisterNode(state_, Hello("gw", 1), kNow)->empty());
  NodeHello hello = Hello("gw", 1);
  hello.advertise = "";
  Accept(RegisterNode(state_, hello, kNow));
  EXPECT_EQ(state_.FindNode("gw")->advertise, "vip.example.com:443");
  hello.advertise = "192.0.2.9:51820";
  Accept(RegisterNode(state_, hello, kNow));
  EXPECT_EQ(state_.FindNode("gw")->advertise, "192.0.2.9:51820");
}

TEST_F(Nodes, AnotherKeyUnderTheNameIsRefusedUntilTheNodeIsUpdated) {
  Accept(RegisterNode(state_, Hello("gw", 1), kNow));
  const absl::Status refused = RegisterNode(state_, Hello("gw", 2), kNow).status();
  EXPECT_THAT(refused, IsRefusal(absl::StatusCode::kFailedPrecondition, "KEY_PINNED",
                                 std::vector<std::string>{"public_key"}));
  EXPECT_THAT(MessageOf(refused),
              HasSubstr("aditctl node update gw --public-key " + KeyNumber(2).ToBase64()));
  NodeUpdate update;
  update.name = "gw";
  update.public_key = KeyNumber(2).ToBase64();
  Accept(UpdateNode(state_, update));
  EXPECT_TRUE(RegisterNode(state_, Hello("gw", 2), kNow)->empty());
  EXPECT_FALSE(RegisterNode(state_, Hello("gw", 1), kNow).ok());
}

TEST_F(Nodes, AKeyThatIsInUseIsRefused) {
  Accept(RegisterNode(state_, Hello("gw", 1), kNow));
  AddPeer("alice");
  const PublicKey alice = state_.FindPeer("alice")->public_key;
  const auto in_use = IsRefusal(absl::StatusCode::kAlreadyExists, "KEY_IN_USE",
                                std::vector<std::string>{"public_key"});
  NodeHello hello = Hello("other", 1);
  EXPECT_THAT(RegisterNode(state_, hello, kNow).status(), in_use);
  hello.public_key = BytesOf(alice);
  EXPECT_THAT(RegisterNode(state_, hello, kNow).status(), in_use);
  NodeUpdate update;
  update.name = "gw";
  update.public_key = alice.ToBase64();
  EXPECT_THAT(UpdateNode(state_, update).status(), in_use);
}

TEST_F(Nodes, HelloWithBadFieldsIsRefusedNamingTheFlags) {
  NodeHello hello = Hello("GW.example.com", 1);
  hello.public_key.pop_back();
  hello.advertise = "0.0.0.0:1";
  const absl::Status status = RegisterNode(state_, hello, kNow).status();
  EXPECT_THAT(status, IsInvalid({"node_name", "public_key", "advertise"}));
  EXPECT_THAT(MessageOf(status), HasSubstr("--node-name and --advertise"));
  hello = Hello("gw", 1);
  hello.public_key.assign(32, '\0');
  EXPECT_THAT(RegisterNode(state_, hello, kNow).status(), IsInvalid({"public_key"}));
}

TEST_F(Nodes, AdvertiseIsAHostAndAPort) {
  AddNode("gw");
  NodeUpdate update;
  update.name = "gw";
  for (const char* good : {"192.0.2.1:1", "[2001:db8::1]:65535", "gw.example.com:51820", "gw:1",
                           "xn--bcher-kva.example:443", "3com.example:5", ""}) {
    update.advertise = good;
    EXPECT_TRUE(UpdateNode(state_, update).ok()) << good;
  }
  for (const char* bad :
       {"gw", ":51820", "gw:", "gw:0", "gw:65536", "gw:5a", "2001:db8::1:51820", "[gw]:1",
        "0.0.0.0:1", "[::]:1", "224.0.0.1:1", "[ff02::1]:1", "[::ffff:1.2.3.4]:1", "-gw:1", "gw-:1",
        "gw..x:1", "g w:1", "1.2.3:4", "gw.:1"}) {
    update.advertise = bad;
    EXPECT_THAT(UpdateNode(state_, update).status(), IsInvalid({"advertise"})) << bad;
  }
}

TEST_F(Nodes, UpdateOfWhatIsSoSpendsNoRevision) {
  AddNode("gw");
  NodeUpdate update;
  update.name = "gw";
  update.advertise = state_.FindNode("gw")->advertise;
  EXPECT_TRUE(UpdateNode(state_, update)->empty());
}

TEST_F(Nodes, UpdateAndDeleteCompareTheEtag) {
  AddNode("gw");
  NodeUpdate update;
  update.name = "gw";
  update.etag = "77";
  const auto mismatch =
      IsRefusal(absl::StatusCode::kAborted, "ETAG_MISMATCH", std::vector<std::string>{"etag"});
  EXPECT_THAT(UpdateNode(state_, update).status(), mismatch);
  EXPECT_THAT(DeleteNode(state_, "gw", "77").status(), mismatch);
  EXPECT_TRUE(DeleteNode(state_, "gw", EtagOf(state_.FindNode("gw")->revision)).ok());
}

TEST_F(Nodes, WhatDoesNotExistIsNotFound) {
  NodeUpdate update;
  update.name = "nobody";
  const auto not_found = IsRefusal(absl::StatusCode::kNotFound, "NOT_FOUND", kNoFields);
  EXPECT_THAT(UpdateNode(state_, update).status(), not_found);
  EXPECT_THAT(DeleteNode(state_, "nobody", "").status(), not_found);
}

TEST_F(Nodes, DeleteIsRefusedWhilePeersOrResourcesBelongToIt) {
  AddNode("gw");
  AddPeer("alice");
  const auto in_use = IsRefusal(absl::StatusCode::kFailedPrecondition, "NODE_IN_USE", kNoFields);
  EXPECT_THAT(DeleteNode(state_, "gw", "").status(), in_use);
  Accept(DeletePeer(state_, "alice", ""));
  AddResource("wiki", "10.0.0.1");
  EXPECT_THAT(DeleteNode(state_, "gw", "").status(), in_use);
  Accept(DeleteResource(state_, "wiki", ""));
  EXPECT_TRUE(Accept(DeleteNode(state_, "gw", "")).empty());
  EXPECT_EQ(state_.FindNode("gw"), nullptr);
  // Its address and key are free again.
  AddNode("next", 1);
  EXPECT_EQ(state_.FindNode("next")->addresses.v4.ToString(), "100.64.0.1");
}

}  // namespace
}  // namespace adit::model
