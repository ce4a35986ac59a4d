// How data planes come, stay and go.
#include <gmock/gmock.h>

#include "hub_fixture.h"

namespace adit::hub {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

const std::string kOtherKey(32, '\x22');

class HubNodesTest : public HubFixture {
 protected:
  HubNodesTest() { StartHub(); }

  // A data plane whose Hello is not accepted.
  FakeDataplane::Seen Refused(const FakeDataplane::Identity& identity,
                              FakeDataplane::View view = {}) {
    FakeDataplane dataplane(dataplane_address());
    dataplane.SayHello(identity, std::move(view));
    EXPECT_TRUE(dataplane.WaitUntil([](const auto& seen) { return seen.is_over; }));
    return dataplane.seen();
  }
};

TEST_F(HubNodesTest, TheFirstHelloRegistersTheNodeAndPinsItsKey) {
  const auto dataplane = Connect();
  const admin::v1::Node node = MustGetNode("gw");
  EXPECT_EQ(node.public_key(), KeyText('\x11'));
  EXPECT_EQ(node.state(), admin::v1::Node::CONNECTED);
  EXPECT_EQ(node.advertise(), "203.0.113.2:51820");
  EXPECT_EQ(node.build(), "fake 1");
  EXPECT_EQ(node.listen_port(), 51820U);
  EXPECT_EQ(node.mtu(), 1280U);
  EXPECT_THAT(node.addresses(), SizeIs(2));
  EXPECT_TRUE(NodeBecomes("gw", [](const auto& n) {
    return n.applied_revision() == n.current_revision() && n.applied_revision() > 0;
  }));
  // Its interface, and the hub's wishes.
  EXPECT_THAT(dataplane->seen().view.objects, SizeIs(1));
  EXPECT_EQ(dataplane->seen().stats_interval, 5U);
}

TEST_F(HubNodesTest, AnotherKeyUnderThatNameIsRefusedUntilAnOperatorSaysSo) {
  Connect().reset();
  FakeDataplane::Identity imposter;
  imposter.public_key = kOtherKey;
  const FakeDataplane::Seen seen = Refused(imposter);
  EXPECT_EQ(seen.refused, "KEY_PINNED");
  EXPECT_THAT(seen.refusal_text, HasSubstr("aditctl node update gw --public-key"));
  EXPECT_THAT(seen.end.error_message(), HasSubstr("KEY_PINNED"));
  EXPECT_THAT(MustGetNode("gw").last_refusal(), HasSubstr("--public-key"));

  admin::v1::UpdateNodeRequest request;
  request.mutable_node()->set_name("gw");
  request.mutable_node()->set_public_key(KeyText('\x22'));
  admin::v1::NodeMutation response;
  ASSERT_TRUE(Call(nodes_, &admin::v1::NodeService::Stub::UpdateNode, request, &response).ok());
  const auto dataplane = Connect(imposter);
  EXPECT_FALSE(dataplane->seen().is_over);
  EXPECT_FALSE(MustGetNode("gw").has_last_refusal());
}

TEST_F(HubNodesTest, ChangingThePinnedKeyEndsTheStreamOfTheOldOne) {
  const auto dataplane = Connect();
  admin::v1::UpdateNodeRequest request;
  request.mutable_node()->set_name("gw");
  request.mutable_node()->set_public_key(KeyText('\x22'));
  admin::v1::NodeMutation response;
  ASSERT_TRUE(Call(nodes_, &admin::v1::NodeService::Stub::UpdateNode, request, &response).ok());
  EXPECT_TRUE(dataplane->WaitUntil([](const auto& seen) { return seen.is_over; }));
  EXPECT_EQ(MustGetNode("gw").state(), admin::v1::Node::OFFLINE);
}

TEST_F(HubNodesTest, AKeyOfAnotherNodeIsRefused) {
  const auto dataplane = Connect();
  FakeDataplane::Identity other;
  other.node = "gw2";
  EXPECT_EQ(Refused(other).refused, "KEY_IN_USE");
}

TEST_F(HubNodesTest, AHelloThatCannotBeUnderstoodIsRefusedWithAReason) {
  FakeDataplane::Identity newer;
  newer.protocol_min = 2;
  newer.protocol_max = 3;
  EXPECT_EQ(Refused(newer).refused, "PROTOCOL_MISMATCH");
  FakeDataplane::Identity keyless;
  keyless.public_key = "short";
  EXPECT_EQ(Refused(keyless).refused, "INVALID_FIELDS");
  FakeDataplane::Identity nameless;
  nameless.node = "No Name";
  EXPECT_EQ(Refused(nameless).refused, "INVALID_FIELDS");
  EXPECT_EQ(servers_ != nullptr, true);
}

TEST_F(HubNodesTest, AStreamMustBeginWithAHello) {
  FakeDataplane dataplane(dataplane_address());
  dataplane::v1::FromDataplane message;
  message.mutable_ack();
  dataplane.Send(message);
  EXPECT_TRUE(dataplane.WaitUntil([](const auto& seen) { return seen.is_over; }));
  EXPECT_EQ(dataplane.seen().refused, "HELLO_EXPECTED");
}

TEST_F(HubNodesTest, AStateOfALaterRevisionThanTheStoresIsRefused) {
  FakeDataplane::View view;
  {
    const auto dataplane = Connect();
    view = dataplane->seen().view;
  }
  view.revision += 100;
  EXPECT_EQ(Refused({}, view).refused, "REVISION_AHEAD");
}

TEST_F(HubNodesTest, ANewerStreamOfTheSameDataPlaneReplacesTheOlder) {
  const auto older = Connect();
  const auto newer = Connect();
  EXPECT_TRUE(older->WaitUntil([](const auto& seen) { return seen.is_over; }));
  EXPECT_FALSE(newer->seen().is_over);
  const auto created = MustCreatePeer("alice", 'a');
  ASSERT_THAT(created.result().nodes(), SizeIs(1));
  EXPECT_EQ(created.result().nodes(0).state(), admin::v1::NodeOutcome::ACKED);
  EXPECT_EQ(newer->seen().view.revision, created.result().revision());
}

TEST_F(HubNodesTest, ADataPlaneThatComesBackWithItsStateGetsOnlyWhatIsNew) {
  FakeDataplane::View view;
  {
    const auto dataplane = Connect();
    view = dataplane->seen().view;
  }
  ASSERT_TRUE(NodeBecomes("gw", admin::v1::Node::OFFLINE));
  MustCreatePeer("alice", 'a');
  const auto dataplane = Connect({}, view);
  EXPECT_TRUE(
      dataplane->WaitUntil([&](const auto& seen) { return seen.view.revision > view.revision; }));
  EXPECT_EQ(dataplane->seen().snapshots, 0);
  EXPECT_EQ(dataplane->seen().deltas, 1);
  EXPECT_EQ(dataplane->seen().bad_digests, 0);
}

TEST_F(HubNodesTest, ADataPlaneThatLostItsStateGetsASnapshot) {
  const auto dataplane = Connect();
  dataplane->LoseState();
  const auto created = MustCreatePeer("alice", 'a');
  EXPECT_EQ(created.result().nodes(0).state(), admin::v1::NodeOutcome::ACKED);
  EXPECT_EQ(dataplane->seen().snapshots, 2);
  EXPECT_EQ(dataplane->seen().view.revision, created.result().revision());
}

TEST_F(HubNodesTest, StateSurvivesARestartOfTheHub) {
  auto dataplane = Connect();
  MustCreatePeer("alice", 'a');
  const FakeDataplane::View view = dataplane->seen().view;
  StopHub();
  EXPECT_TRUE(dataplane->WaitUntil([](const auto& seen) { return seen.is_over; }));
  dataplane.reset();
  StartHub();
  EXPECT_EQ(MustGetNode("gw").state(), admin::v1::Node::OFFLINE);
  dataplane = Connect({}, view);
  EXPECT_TRUE(NodeBecomes(
      "gw", [&](const auto& node) { return node.applied_revision() == view.revision; }));
  // The same view has the same bytes: nothing had to be sent.
  EXPECT_EQ(dataplane->seen().snapshots + dataplane->seen().deltas, 0);
}

TEST_F(HubNodesTest, ADeletedNodesStreamEndsAndWatchersAreTold) {
  const auto dataplane = Connect();
  grpc::ClientContext context;
  const auto watch = nodes_->WatchNodes(&context, {});
  admin::v1::Node node;
  ASSERT_TRUE(watch->Read(&node));
  EXPECT_EQ(node.name(), "gw");
  admin::v1::DeleteNodeRequest request;
  request.set_name("gw");
  admin::v1::NodeMutation response;
  ASSERT_TRUE(Call(nodes_, &admin::v1::NodeService::Stub::DeleteNode, request, &response).ok());
  EXPECT_EQ(response.node().name(), "gw");
  EXPECT_TRUE(dataplane->WaitUntil([](const auto& seen) { return seen.is_over; }));
  while (node.state() != admin::v1::Node::DELETED) {
    ASSERT_TRUE(watch->Read(&node));
  }
  EXPECT_EQ(node.name(), "gw");
  context.TryCancel();
}

TEST_F(HubNodesTest, StatisticsAndEventsReachTheAdminApi) {
  const auto dataplane = Connect();
  MustCreatePeer("alice", 'a');
  dataplane::v1::FromDataplane message;
  dataplane::v1::PeerStats* stats = message.mutable_stats()->add_peers();
  stats->set_public_key(std::string(32, 'a'));
  stats->set_received_bytes(10);
  stats->set_sent_bytes(20);
  stats->set_last_handshake_unix_ns(30);
  stats->set_endpoint("192.0.2.1:40000");
  message.mutable_stats()->add_peers()->set_public_key("nonsense");
  dataplane->Send(message);
  auto* problem = message.mutable_event()->mutable_host_changed()->add_host_problems();
  problem->set_setting("net.ipv4.conf.adit0.forwarding");
  problem->set_remedy("set it to 1");
  dataplane->Send(message);
  ASSERT_TRUE(NodeBecomes("gw", [](const auto& node) { return node.host_problems_size() == 1; }));
  EXPECT_EQ(MustGetNode("gw").host_problems(0), "net.ipv4.conf.adit0.forwarding: set it to 1");

  admin::v1::GetPeerRequest request;
  request.set_name("alice");
  admin::v1::Peer peer;
  ASSERT_TRUE(Call(peers_, &admin::v1::PeerService::Stub::GetPeer, request, &peer).ok());
  EXPECT_EQ(peer.received_bytes(), 10U);
  EXPECT_EQ(peer.sent_bytes(), 20U);
  EXPECT_EQ(peer.last_handshake_unix_ns(), 30);
  EXPECT_EQ(peer.current_endpoint(), "192.0.2.1:40000");
}

TEST_F(HubNodesTest, AnAccessRequestIsAnsweredAtOnce) {
  const auto dataplane = Connect();
  dataplane::v1::FromDataplane message;
  message.mutable_access_request()->set_request_id(7);
  dataplane->Send(message);
  EXPECT_TRUE(dataplane->WaitUntil([](const auto& seen) { return seen.access_denied == 1; }));
}

TEST_F(HubNodesTest, FlowRecordsAreAcceptedAndCounted) {
  const uid_t servers[] = {geteuid()};
  const auto stub =
      dataplane::v1::DataplaneControl::NewStub(*channel::DialUnix(dataplane_address(), servers));
  grpc::ClientContext context;
  dataplane::v1::FlowRecordSummary summary;
  const auto writer = stub->RecordFlows(&context, &summary);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(writer->Write({}));
  }
  writer->WritesDone();
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_EQ(summary.accepted(), 5U);
}

class HubLivenessTest : public HubFixture {
 protected:
  HubLivenessTest() {
    limits_.dataplane.sync.ping_interval = milliseconds(50);
    limits_.dataplane.sync.pong_timeout = milliseconds(400);
    limits_.dataplane.hello_timeout = milliseconds(200);
    StartHub();
  }
};

TEST_F(HubLivenessTest, ADataPlaneThatAnswersPingsStaysConnected) {
  const auto dataplane = Connect();
  EXPECT_TRUE(dataplane->WaitUntil([](const auto& seen) { return seen.pings >= 10; }));
  EXPECT_FALSE(dataplane->seen().is_over);
}

TEST_F(HubLivenessTest, ASilentDataPlaneIsOfflineSoonAndCallsThatWaitAreToldSo) {
  const auto dataplane = Connect();
  dataplane->FallSilent();
  const auto created = MustCreatePeer("alice", 'a');
  ASSERT_THAT(created.result().nodes(), SizeIs(1));
  EXPECT_EQ(created.result().nodes(0).state(), admin::v1::NodeOutcome::NO_ANSWER);
  EXPECT_EQ(MustGetNode("gw").state(), admin::v1::Node::OFFLINE);
  EXPECT_TRUE(dataplane->WaitUntil([](const auto& seen) { return seen.is_over; }));
}

TEST_F(HubLivenessTest, AStreamWithoutAHelloEnds) {
  FakeDataplane dataplane(dataplane_address());
  EXPECT_TRUE(dataplane.WaitUntil([](const auto& seen) { return seen.is_over; }));
}

}  // namespace
}  // namespace adit::hub
