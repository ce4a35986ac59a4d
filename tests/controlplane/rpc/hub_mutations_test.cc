// What the author of a change is told.
#include <future>

#include <gmock/gmock.h>

#include "hub_fixture.h"

namespace adit::hub {
namespace {

using admin::v1::NodeOutcome;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr int kPeerKind = 2;
constexpr int kResourceKind = 3;
constexpr int kGrantKind = 4;

int CountOf(const FakeDataplane::View& view, int kind) {
  int count = 0;
  for (const auto& [key, body] : view.objects) {
    count += key.first == kind ? 1 : 0;
  }
  return count;
}

// Refuses the resource of that name.
FakeDataplane::Judge RefusingResource(const std::string& name) {
  return [name](const dataplane::v1::Object& object) -> std::optional<dataplane::v1::Rejection> {
    if (object.kind() != dataplane::v1::OBJECT_KIND_RESOURCE || object.key() != name) {
      return std::nullopt;
    }
    dataplane::v1::Rejection rejection;
    rejection.mutable_object()->set_kind(object.kind());
    rejection.mutable_object()->set_key(object.key());
    rejection.set_field("prefixes[0]");
    rejection.set_code("COVERS_LOCAL_ADDRESS");
    rejection.set_text("10.0.0.0/8 covers 10.0.0.1 of this host");
    return rejection;
  };
}

class HubMutationsTest : public HubFixture {
 protected:
  HubMutationsTest() { StartHub(); }

  void MakeAccess() {
    MustCreatePeer("alice", 'a');
    MustCreateResource("wiki", "10.1.0.10");
    MustCreatePolicy("all", "alice", "wiki");
  }

  // A call that is stored and waits for a data plane that says nothing any more.
  std::future<admin::v1::PeerMutation> CreateAgainstSilence(FakeDataplane& dataplane) {
    EXPECT_TRUE(NodeBecomes(
        "gw", [](const auto& node) { return node.current_revision() == node.applied_revision(); }));
    dataplane.FallSilent();
    auto waits = std::async(std::launch::async, [this] { return MustCreatePeer("alice", 'a'); });
    EXPECT_TRUE(NodeBecomes(
        "gw", [](const auto& node) { return node.current_revision() > node.applied_revision(); }));
    return waits;
  }
};

TEST_F(HubMutationsTest, AChangeIsAcknowledgedByTheNodeItConcerns) {
  const auto dataplane = Connect();
  FakeDataplane::Identity other;
  other.node = "other";
  other.public_key = std::string(32, '\x33');
  const auto unconcerned = Connect(other);

  admin::v1::CreatePeerRequest request;
  request.mutable_peer()->set_name("alice");
  request.mutable_peer()->set_public_key(KeyText('a'));
  request.mutable_peer()->set_node("gw");
  admin::v1::PeerMutation response;
  ASSERT_TRUE(Call(peers_, &admin::v1::PeerService::Stub::CreatePeer, request, &response).ok());
  ASSERT_THAT(response.result().nodes(), SizeIs(1));
  EXPECT_EQ(response.result().nodes(0).node(), "gw");
  EXPECT_EQ(response.result().nodes(0).state(), NodeOutcome::ACKED);
  EXPECT_EQ(dataplane->seen().view.revision, response.result().revision());
  EXPECT_EQ(CountOf(dataplane->seen().view, kPeerKind), 1);
  EXPECT_EQ(CountOf(unconcerned->seen().view, kPeerKind), 0);
  // Not told, and current all the same.
  EXPECT_EQ(MustGetNode("other").applied_revision(), response.result().revision());
}

TEST_F(HubMutationsTest, GrantsFollowThePolicy) {
  const auto dataplane = Connect();
  MakeAccess();
  EXPECT_EQ(CountOf(dataplane->seen().view, kGrantKind), 1);
  admin::v1::PolicyMutation response;
  ASSERT_TRUE(SetDisabled("all", true, &response).ok());
  EXPECT_EQ(response.result().nodes(0).state(), NodeOutcome::ACKED);
  EXPECT_EQ(CountOf(dataplane->seen().view, kGrantKind), 0);
}

TEST_F(HubMutationsTest, ARefusedObjectIsNamedAndDoesNotDelayARevocation) {
  const auto dataplane = Connect();
  MakeAccess();
  dataplane->RefuseObjects(RefusingResource("bad"));
  const auto created = MustCreateResource("bad", "10.0.0.0/8");
  ASSERT_THAT(created.result().nodes(), SizeIs(1));
  const NodeOutcome& outcome = created.result().nodes(0);
  EXPECT_EQ(outcome.state(), NodeOutcome::REJECTED);
  ASSERT_THAT(outcome.rejections(), SizeIs(1));
  EXPECT_EQ(outcome.rejections(0).object(), "resource/bad");
  EXPECT_EQ(outcome.rejections(0).field(), "prefixes[0]");
  EXPECT_EQ(outcome.rejections(0).code(), "COVERS_LOCAL_ADDRESS");
  EXPECT_THAT(MustGetNode("gw").rejections(), SizeIs(1));
  // Stored all the same.
  EXPECT_GT(created.result().revision(), 0U);

  admin::v1::PolicyMutation response;
  ASSERT_TRUE(SetDisabled("all", true, &response).ok());
  EXPECT_EQ(response.result().nodes(0).state(), NodeOutcome::ACKED);
  EXPECT_EQ(CountOf(dataplane->seen().view, kGrantKind), 0);
  EXPECT_EQ(CountOf(dataplane->seen().view, kResourceKind), 1);
  EXPECT_EQ(dataplane->seen().bad_digests, 0);
}

TEST_F(HubMutationsTest, ANodeThatDoesNotAnswerInTimeIsNamed) {
  const auto dataplane = Connect();
  MakeAccess();
  dataplane->FallSilent();
  admin::v1::PolicyMutation response;
  ASSERT_TRUE(SetDisabled("all", true, &response, 100).ok());
  ASSERT_THAT(response.result().nodes(), SizeIs(1));
  EXPECT_EQ(response.result().nodes(0).state(), NodeOutcome::NO_ANSWER);
  EXPECT_GT(response.result().revision(), 0U);
}

TEST_F(HubMutationsTest, ANodeThatGoesAwayMeanwhileHasNotAnswered) {
  auto dataplane = Connect();
  auto waits = CreateAgainstSilence(*dataplane);
  dataplane.reset();
  EXPECT_EQ(waits.get().result().nodes(0).state(), NodeOutcome::NO_ANSWER);
}

TEST_F(HubMutationsTest, TheAnswerComesBeforeTheCallersDeadline) {
  const auto dataplane = Connect();
  dataplane->FallSilent();
  admin::v1::CreatePeerRequest request;
  request.mutable_peer()->set_name("alice");
  request.mutable_peer()->set_public_key(KeyText('a'));
  admin::v1::PeerMutation response;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(1500));
  const grpc::Status status = peers_->CreatePeer(&context, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.result().nodes(0).state(), NodeOutcome::NO_ANSWER);
}

TEST_F(HubMutationsTest, AnOfflineNodeIsNotWaitedForAndMayStillForward) {
  Connect().reset();
  ASSERT_TRUE(NodeBecomes("gw", admin::v1::Node::OFFLINE));
  const auto created = MustCreatePeer("alice", 'a');
  ASSERT_THAT(created.result().nodes(), SizeIs(1));
  EXPECT_EQ(created.result().nodes(0).state(), NodeOutcome::OFFLINE);
  EXPECT_GT(created.result().nodes(0).offline_since_unix_ns(), 0);
  EXPECT_FALSE(created.result().nodes(0).has_may_still_forward());
  MustCreateResource("wiki", "10.1.0.10");
  MustCreatePolicy("all", "alice", "wiki");

  admin::v1::PolicyMutation response;
  ASSERT_TRUE(SetDisabled("all", true, &response).ok());
  EXPECT_EQ(response.result().nodes(0).state(), NodeOutcome::OFFLINE);
  EXPECT_TRUE(response.result().nodes(0).may_still_forward());
  EXPECT_FALSE(response.result().nodes(0).has_may_forward_until_unix_ns());
  // Whoever asks again is told the same, not that all is well.
  ASSERT_TRUE(SetDisabled("all", true, &response).ok());
  ASSERT_THAT(response.result().nodes(), SizeIs(1));
  EXPECT_TRUE(response.result().nodes(0).may_still_forward());
}

TEST_F(HubMutationsTest, AnExpiryLimitsHowLongAnOfflineNodeMayForward) {
  Connect().reset();
  ASSERT_TRUE(NodeBecomes("gw", admin::v1::Node::OFFLINE));
  MakeAccess();
  admin::v1::UpdatePolicyRequest request;
  request.mutable_policy()->set_name("all");
  const std::int64_t expires = (clock_.Read().wall + seconds(3600)).since_epoch().count();
  request.mutable_policy()->set_expires_unix_ns(expires);
  admin::v1::PolicyMutation response;
  ASSERT_TRUE(
      Call(policies_, &admin::v1::PolicyService::Stub::UpdatePolicy, request, &response).ok());
  ASSERT_TRUE(SetDisabled("all", true, &response).ok());
  EXPECT_EQ(response.result().nodes(0).may_forward_until_unix_ns(), expires);
}

TEST_F(HubMutationsTest, WhatHasExpiredIsForwardedByNobody) {
  Connect().reset();
  ASSERT_TRUE(NodeBecomes("gw", admin::v1::Node::OFFLINE));
  MakeAccess();
  admin::v1::UpdatePolicyRequest request;
  request.mutable_policy()->set_name("all");
  const WallTime expires = clock_.Read().wall + milliseconds(300);
  request.mutable_policy()->set_expires_unix_ns(expires.since_epoch().count());
  admin::v1::PolicyMutation response;
  ASSERT_TRUE(
      Call(policies_, &admin::v1::PolicyService::Stub::UpdatePolicy, request, &response).ok());
  while (clock_.Read().wall <= expires) {
    std::this_thread::sleep_for(milliseconds(20));
  }
  ASSERT_TRUE(SetDisabled("all", true, &response).ok());
  EXPECT_EQ(response.result().nodes(0).state(), NodeOutcome::OFFLINE);
  EXPECT_FALSE(response.result().nodes(0).may_still_forward());
}

TEST_F(HubMutationsTest, NoWaitReturnsOnceItIsStored) {
  const auto dataplane = Connect();
  dataplane->FallSilent();
  admin::v1::CreatePeerRequest request;
  request.mutable_peer()->set_name("alice");
  request.mutable_peer()->set_public_key(KeyText('a'));
  request.mutable_options()->set_no_wait(true);
  admin::v1::PeerMutation response;
  ASSERT_TRUE(Call(peers_, &admin::v1::PeerService::Stub::CreatePeer, request, &response).ok());
  EXPECT_EQ(response.result().nodes(0).state(), NodeOutcome::NO_ANSWER);
  EXPECT_GT(response.result().revision(), 0U);
}

TEST_F(HubMutationsTest, ASlowNodeDelaysOnlyItself) {
  const auto slow = Connect();
  FakeDataplane::Identity identity;
  identity.node = "quick";
  identity.public_key = std::string(32, '\x33');
  const auto quick = Connect(identity);
  slow->FallSilent();

  admin::v1::CreatePeerRequest request;
  request.mutable_peer()->set_name("alice");
  request.mutable_peer()->set_public_key(KeyText('a'));
  request.mutable_peer()->set_node("gw");
  request.mutable_options()->set_wait_ms(1500);
  auto waits = std::async(std::launch::async, [&] {
    admin::v1::PeerMutation response;
    EXPECT_TRUE(Call(peers_, &admin::v1::PeerService::Stub::CreatePeer, request, &response).ok());
    return response;
  });
  admin::v1::CreatePeerRequest other = request;
  other.mutable_peer()->set_name("bob");
  other.mutable_peer()->set_public_key(KeyText('b'));
  other.mutable_peer()->set_node("quick");
  admin::v1::PeerMutation response;
  ASSERT_TRUE(Call(peers_, &admin::v1::PeerService::Stub::CreatePeer, other, &response).ok());
  EXPECT_EQ(response.result().nodes(0).state(), NodeOutcome::ACKED);
  EXPECT_EQ(waits.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  EXPECT_NE(waits.get().result().nodes(0).state(), NodeOutcome::ACKED);
}

TEST_F(HubMutationsTest, ChangesMadeWhileOneIsUnderWayAllArrive) {
  const auto dataplane = Connect();
  std::vector<std::future<grpc::Status>> calls;
  for (int i = 0; i < 32; ++i) {
    calls.push_back(std::async(std::launch::async, [this, i] {
      admin::v1::CreatePeerRequest request;
      request.mutable_peer()->set_name("p" + std::to_string(i));
      request.mutable_peer()->set_public_key(KeyText(static_cast<char>('A' + i)));
      admin::v1::PeerMutation response;
      const grpc::Status status =
          Call(peers_, &admin::v1::PeerService::Stub::CreatePeer, request, &response);
      EXPECT_EQ(response.result().nodes_size() == 1 &&
                    response.result().nodes(0).state() == NodeOutcome::ACKED,
                true)
          << response.DebugString();
      return status;
    }));
  }
  for (auto& call : calls) {
    EXPECT_TRUE(call.get().ok());
  }
  EXPECT_EQ(CountOf(dataplane->seen().view, kPeerKind), 32);
  EXPECT_EQ(dataplane->seen().bad_digests, 0);
  EXPECT_EQ(dataplane->seen().snapshots, 1);
}

TEST_F(HubMutationsTest, StoppingAnswersWhoWaits) {
  const auto dataplane = Connect();
  auto waits = CreateAgainstSilence(*dataplane);
  servers_->Stop();
  EXPECT_EQ(waits.get().result().nodes(0).state(), NodeOutcome::NO_ANSWER);
}

}  // namespace
}  // namespace adit::hub
