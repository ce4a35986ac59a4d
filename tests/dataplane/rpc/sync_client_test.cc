#include "dataplane/rpc/sync_client.h"

#include <unistd.h>

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/dataplane/rpc/fake_enforcer.h"
#include "tests/dataplane/rpc/fake_hub.h"
#include "tests/dataplane/rpc/objects.h"
#include "tests/dataplane/state/temp_directory.h"

namespace adit::rpc {
namespace {

using testing::DeltaOf;
using ::testing::ElementsAre;
using testing::FakeEnforcer;
using testing::FakeHub;
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
using testing::SnapshotOf;

namespace pb = ::adit::dataplane::v1;

void WaitUntil(const std::function<bool()>& predicate, const char* what) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!predicate()) {
    ASSERT_LT(std::chrono::steady_clock::now(), until) << what;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

class SyncClientTest : public ::testing::Test {
 protected:
  SyncClientTest() {
    view_.Put(Interface({"100.64.0.1/32"}));
    view_.Put(Peer(1, {"100.64.0.7/32"}));
    view_.Put(Peer(2, {"100.64.0.8/32"}));
    view_.Put(Resource("wiki", {"10.77.1.10/32"}));
    view_.Put(Grant(1, "wiki"));
    view_.Put(Grant(2, "wiki"));
  }

  [[nodiscard]] SyncOptions Options() const {
    SyncOptions options;
    options.channel = "unix:" + sockets_.path() + "/d/dataplane.sock";
    options.controlplane_uids = {getuid()};
    options.node_name = "gw";
    options.advertise = "203.0.113.2:51820";
    options.listen_ports = {51820};
    options.mtu = 1280;
    options.limits = testing::TestLimits();
    return options;
  }
  void StartHub() { hub_ = std::make_unique<FakeHub>(Options().channel); }

  // A data plane process's life.
  void StartDataplane(std::optional<SyncOptions> options = {}) {
    enforcer_ = std::make_unique<FakeEnforcer>();
    directory_.emplace(state::StateDirectory::Open(state_.path()).value());
    auto client = SyncClient::Restore(*directory_, options.value_or(Options()), *enforcer_, clock_);
    ASSERT_TRUE(client.ok()) << client.status();
    client_ = *std::move(client);
    client_->Start();
  }
  void StopDataplane() {
    client_.reset();
    directory_.reset();
  }
  void Connect() {
    StartHub();
    StartDataplane();
    (void)hub_->NextHello();
    ASSERT_TRUE(hub_->Send(SnapshotOf(view_, 1)));
    ASSERT_EQ(hub_->NextAck().revision(), 1U);
  }
  [[nodiscard]] bool Passes(int peer, const std::string& resource = "wiki") {
    return enforcer_->Passes(KeyOf(peer), resource, clock_.Read().boot);
  }

  const state::TempDirectory sockets_;
  const state::TempDirectory state_;
  const SystemClock clock_;
  HubView view_;
  std::unique_ptr<FakeHub> hub_;
  std::unique_ptr<FakeEnforcer> enforcer_;
  std::optional<state::StateDirectory> directory_;
  std::unique_ptr<SyncClient> client_;
};

TEST_F(SyncClientTest, IntroducesItself) {
  StartHub();
  StartDataplane();
  const pb::Hello hello = hub_->NextHello();
  EXPECT_EQ(hello.node_name(), "gw");
  EXPECT_EQ(hello.advertise(), "203.0.113.2:51820");
  EXPECT_THAT(hello.listen_ports(), ElementsAre(51820));
  EXPECT_EQ(hello.public_key(), testing::KeyBytes(1'000'000));
  EXPECT_EQ(hello.store_epoch(), "");
  EXPECT_EQ(hello.mtu(), 1280U);
  EXPECT_FALSE(client_->GetStatus().is_connected) << "the hub has said nothing yet";
}

TEST_F(SyncClientTest, AppliesASnapshotInChunksAndADelta) {
  Connect();
  EXPECT_TRUE(Passes(1));
  EXPECT_EQ(enforcer_->host.addresses.size(), 1U);
  ASSERT_TRUE(hub_->Send(DeltaOf(view_, 1, 2, {IdOf(Grant(1, "wiki"))}, {})));
  const pb::Ack ack = hub_->NextAck();
  EXPECT_EQ(ack.revision(), 2U);
  EXPECT_EQ(ack.digest(), view_.Digest());
  EXPECT_FALSE(Passes(1));
  EXPECT_TRUE(Passes(2));

  pb::Snapshot first = SnapshotOf(view_, 3);
  pb::Snapshot second = first;
  first.set_chunk_count(2);
  second.set_chunk_count(2);
  second.set_chunk(1);
  first.mutable_objects()->DeleteSubrange(2, first.objects_size() - 2);
  second.mutable_objects()->DeleteSubrange(0, 2);
  ASSERT_TRUE(hub_->Send(first));
  ASSERT_TRUE(hub_->Send(second));
  EXPECT_EQ(hub_->NextAck().revision(), 3U);
  EXPECT_FALSE(Passes(1));
}

TEST_F(SyncClientTest, RemovesAfterARefusedUpsert) {
  Connect();
  HubView refused = view_;
  ASSERT_TRUE(
      hub_->Send(DeltaOf(refused, 1, 2, {IdOf(Grant(1, "wiki"))}, {Peer(3, {"10.0.0.1/32"})})));
  const pb::Nack nack = hub_->NextNack();
  ASSERT_EQ(nack.rejections_size(), 1);
  EXPECT_EQ(nack.rejections(0).object().key(), testing::KeyBytes(3));
  EXPECT_EQ(nack.rejections(0).field(), "allowed_ips[0]");
  EXPECT_EQ(nack.rejections(0).code(), "OUTSIDE_TUNNEL_RANGES");
  EXPECT_NE(nack.rejections(0).text(), "");
  EXPECT_TRUE(Passes(1)) << "nothing of it was applied";
  // Cumulative, without what was refused.
  ASSERT_TRUE(hub_->Send(DeltaOf(view_, 1, 2, {IdOf(Grant(1, "wiki"))}, {})));
  EXPECT_EQ(hub_->NextAck().revision(), 2U);
  EXPECT_FALSE(Passes(1));
  EXPECT_TRUE(Passes(2));
}

TEST_F(SyncClientTest, KeepsARevocationOverARestartWithoutAControlPlane) {
  Connect();
  ASSERT_TRUE(hub_->Send(DeltaOf(view_, 1, 2, {IdOf(Grant(1, "wiki"))}, {})));
  ASSERT_EQ(hub_->NextAck().revision(), 2U);
  hub_.reset();
  StopDataplane();
  StartDataplane();
  EXPECT_FALSE(Passes(1));
  EXPECT_TRUE(Passes(2));
  EXPECT_EQ(client_->GetStatus().revision, 2U);
  // And says so to the hub that returns.
  StartHub();
  const pb::Hello hello = hub_->NextHello();
  EXPECT_EQ(hello.applied_revision(), 2U);
  EXPECT_EQ(hello.store_epoch(), "epoch");
  EXPECT_EQ(hello.digest(), view_.Digest());
}

TEST_F(SyncClientTest, FindsAControlPlaneThatReturnsWithinTwoSeconds) {
  Connect();
  hub_.reset();
  WaitUntil([&] { return !client_->GetStatus().is_connected; }, "it notices");
  EXPECT_TRUE(Passes(1)) << "what is in force stays";
  StartHub();
  const auto began = std::chrono::steady_clock::now();
  (void)hub_->NextHello();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(2));
}

TEST_F(SyncClientTest, DoesNotSpeakToAnotherUid) {
  StartHub();
  SyncOptions options = Options();
  options.controlplane_uids = {getuid() + 1};
  StartDataplane(options);
  EXPECT_FALSE(hub_->Next(pb::FromDataplane::kHello, 1));
  EXPECT_EQ(hub_->streams(), 0);
}

TEST_F(SyncClientTest, RefusesWhatAHostileControlPlaneAsksFor) {
  Connect();
  const std::string digest = view_.Digest();
  struct Ask {
    const char* what;
    testing::StoredObject object;
    const char* code;
  };
  pb::PeerConfig named_scope = testing::PeerBody(3, {});
  named_scope.set_endpoint("[fe80::1%2]:51820");
  pb::PeerConfig inside = testing::PeerBody(3, {});
  inside.set_endpoint("100.64.0.9:51820");
  pb::ResourceConfig unset = testing::ResourceBody("r", {"10.0.0.0/24"});
  unset.clear_filter();
  pb::ResourceConfig future = testing::ResourceBody("r", {"10.0.0.0/24"});
  future.GetReflection()->MutableUnknownFields(&future)->AddVarint(99, 1);
  const std::vector<Ask> asks = {
      {"a default route", Interface({}, {"0.0.0.0/0"}), "OUTSIDE_TUNNEL_RANGES"},
      {"a route of the host", Interface({}, {"192.168.0.0/16"}), "OUTSIDE_TUNNEL_RANGES"},
      {"a local address", Interface({}, {"100.70.0.0/16"}), "FORBIDDEN_ROUTE"},
      {"an address outside", Interface({"8.8.8.8/32"}), "OUTSIDE_TUNNEL_RANGES"},
      {"a whole network as address", Interface({"100.64.0.0/24"}), "OUT_OF_RANGE"},
      {"another's prefix", Peer(3, {"100.64.0.7/32"}), "OVERLAP"},
      {"everything", Peer(3, {"0.0.0.0/0"}), "OUTSIDE_TUNNEL_RANGES"},
      {"our own key", Peer(1'000'000, {}), "OWN_KEY"},
      {"an interface's name",
       {kPeerKind, testing::KeyBytes(3), named_scope.SerializeAsString()},
       "MALFORMED"},
      {"a loop", {kPeerKind, testing::KeyBytes(3), inside.SerializeAsString()}, "OUT_OF_RANGE"},
      {"loopback", Resource("r", {"127.0.0.0/8"}), "FORBIDDEN_PREFIX"},
      {"metadata", Resource("r", {"169.254.169.254/32"}), "FORBIDDEN_PREFIX"},
      {"all of it", Resource("r", {"0.0.0.0/0"}), "FORBIDDEN_PREFIX"},
      {"other peers", Resource("r", {"100.64.0.0/16"}), "FORBIDDEN_PREFIX"},
      {"no filter", {kResourceKind, "r", unset.SerializeAsString()}, "REQUIRED"},
      {"a field from the future",
       {kResourceKind, "r", future.SerializeAsString()},
       "UNKNOWN_FIELD"},
      {"no resource", Grant(1, "nothing"), "MISSING"},
      {"no peer", Grant(77, "wiki"), "MISSING"},
      {"no kind", {0, "k", "b"}, "UNKNOWN_KIND"},
      {"no message", {kPeerKind, testing::KeyBytes(3), "\xff\xff\xff"}, "MALFORMED"},
  };
  enforcer_->forbidden_routes = {IpPrefix::Parse("100.70.0.0/16").value()};
  const int applied = enforcer_->applied;
  for (const Ask& ask : asks) {
    SCOPED_TRACE(ask.what);
    HubView scratch = view_;
    ASSERT_TRUE(hub_->Send(DeltaOf(scratch, 1, 2, {}, {ask.object})));
    const pb::Nack nack = hub_->NextNack();
    ASSERT_EQ(nack.rejections_size(), 1) << nack.ShortDebugString();
    EXPECT_EQ(nack.rejections(0).object().kind(), ask.object.kind);
    EXPECT_EQ(nack.rejections(0).object().key(), ask.object.key);
    EXPECT_EQ(nack.rejections(0).code(), ask.code);
    EXPECT_NE(nack.rejections(0).text(), "");
  }
  EXPECT_EQ(enforcer_->applied, applied);
  // Nothing changed: a delta from where it was still fits.
  ASSERT_TRUE(hub_->Send(DeltaOf(view_, 1, 2, {IdOf(Grant(1, "wiki"))}, {})));
  EXPECT_EQ(hub_->NextAck().revision(), 2U);
}

TEST_F(SyncClientTest, SurvivesNonsense) {
  Connect();
  ASSERT_TRUE(hub_->Send(pb::FromControlplane()));  // from the future, or empty
  EXPECT_NE(hub_->NextNack().text(), "");
  pb::FromControlplane message;
  message.mutable_access_granted()->set_request_id(5);
  ASSERT_TRUE(hub_->Send(message));
  message.mutable_candidates();
  ASSERT_TRUE(hub_->Send(message));
  pb::Snapshot chunk = SnapshotOf(view_, 5);
  chunk.set_chunk_count(3);
  chunk.set_chunk(1);
  ASSERT_TRUE(hub_->Send(chunk));
  EXPECT_TRUE(hub_->NextNack().needs_snapshot());
  chunk.set_chunk_count(0);
  ASSERT_TRUE(hub_->Send(chunk));
  EXPECT_TRUE(hub_->NextNack().needs_snapshot());
  message.mutable_set_log_level()->set_level("shout");
  ASSERT_TRUE(hub_->Send(message));
  const auto event = hub_->Next(pb::FromDataplane::kEvent);
  ASSERT_TRUE(event);
  message.mutable_ping()->set_nonce(77);
  ASSERT_TRUE(hub_->Send(message));
  EXPECT_EQ(hub_->Next(pb::FromDataplane::kPong)->pong().nonce(), 77U);
}

TEST_F(SyncClientTest, ForgetsHalfASnapshotWhenTheStreamEnds) {
  Connect();
  pb::Snapshot half = SnapshotOf(view_, 5);
  half.set_chunk_count(2);
  ASSERT_TRUE(hub_->Send(half));
  hub_->EndStream(grpc::Status::OK);
  EXPECT_EQ(hub_->NextHello().applied_revision(), 1U);
  half.set_chunk(1);
  ASSERT_TRUE(hub_->Send(half));
  EXPECT_TRUE(hub_->NextNack().needs_snapshot());
}

TEST_F(SyncClientTest, EndsTheStreamWhenAskedToDrainAndComesBack) {
  Connect();
  pb::FromControlplane message;
  message.mutable_drain()->set_reason("update");
  ASSERT_TRUE(hub_->Send(message));
  EXPECT_EQ(hub_->NextHello().applied_revision(), 1U);
}

TEST_F(SyncClientTest, TriesAgainAfterARefusal) {
  StartHub();
  StartDataplane();
  for (int i = 0; i < 2; ++i) {
    (void)hub_->NextHello();
    pb::FromControlplane message;
    message.mutable_hello_refused()->set_reason("KEY_MISMATCH");
    message.mutable_hello_refused()->set_text("another key is pinned");
    ASSERT_TRUE(hub_->Send(message));
    hub_->EndStream(grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "refused"));
  }
  (void)hub_->NextHello();
}

TEST_F(SyncClientTest, TellsTheHostsProblemsInHelloAndAsEvents) {
  StartHub();
  StartDataplane();
  client_->SetHostProblems({{"net.ipv4.conf.eth0.forwarding", "make /proc/sys writable"}});
  (void)hub_->NextHello();
  hub_->EndStream(grpc::Status::OK);
  const pb::Hello hello = hub_->NextHello();
  ASSERT_EQ(hello.host_problems_size(), 1);
  ASSERT_TRUE(hub_->Send(SnapshotOf(view_, 1)));
  (void)hub_->NextAck();
  client_->SetHostProblems({});
  const auto event = hub_->Next(pb::FromDataplane::kEvent);
  ASSERT_TRUE(event && event->event().has_host_changed());
  EXPECT_THAT(event->event().host_changed().host_problems(), IsEmpty());
}

TEST_F(SyncClientTest, SendsStatisticsAsOftenAsTheControlPlaneSays) {
  StartHub();
  StartDataplane();
  engine::PeerReport report;
  report.public_key = KeyOf(1);
  report.received_bytes = 12;
  report.endpoint = Endpoint::Parse("203.0.113.9:1024");
  enforcer_->reports = {report};
  (void)hub_->NextHello();
  pb::FromControlplane message;
  message.mutable_ping()->set_stats_interval_seconds(1);
  ASSERT_TRUE(hub_->Send(message));
  const auto stats = hub_->Next(pb::FromDataplane::kStats);
  ASSERT_TRUE(stats);
  ASSERT_EQ(stats->stats().peers_size(), 1);
  EXPECT_EQ(stats->stats().peers(0).received_bytes(), 12U);
  EXPECT_EQ(stats->stats().peers(0).endpoint(), "203.0.113.9:1024");
}

TEST_F(SyncClientTest, RemembersPeersAndTheMarkOverAKill) {
  StartHub();
  StartDataplane();
  engine::PeerReport report;
  report.public_key = KeyOf(1);
  report.endpoint = Endpoint::Parse("203.0.113.9:1024");
  report.greatest_timestamp[3] = 7;
  report.last_data = clock_.Read().boot;
  enforcer_->reports = {report};
  StopDataplane();
  StartDataplane();
  ASSERT_THAT(enforcer_->restored, SizeIs(1));
  EXPECT_EQ(enforcer_->restored[0].endpoint, report.endpoint);
  EXPECT_EQ(enforcer_->restored[0].greatest_timestamp, report.greatest_timestamp);
  EXPECT_TRUE(enforcer_->restored[0].was_active);
  EXPECT_GE(enforcer_->restored_mark, clock_.Read().wall + seconds(5));
}

TEST_F(SyncClientTest, LooksAtPeersOftenOnlyWhilePacketsPass) {
  StartHub();
  StartDataplane();
  const auto wait_for_look = [&](int number) {
    for (int i = 0; i < 250 && enforcer_->TimesAskedForReports() < number; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return enforcer_->TimesAskedForReports();
  };
  ASSERT_EQ(wait_for_look(1), 1);
  std::this_thread::sleep_for(std::chrono::milliseconds(2500));
  EXPECT_EQ(enforcer_->TimesAskedForReports(), 1);
  enforcer_->CountPacket();
  EXPECT_EQ(wait_for_look(2), 2);
}

TEST_F(SyncClientTest, StopsAtOnceWhileTheControlPlaneHangs) {
  StartHub();
  hub_->StopReading();
  StartDataplane();
  (void)hub_->NextHello();
  const auto began = std::chrono::steady_clock::now();
  client_->Stop();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(900));
}

TEST_F(SyncClientTest, LeavesAStreamWhoseReaderSleeps) {
  StartHub();
  hub_->StopReading();
  StartDataplane();
  (void)hub_->NextHello();
  // A refusal has up to a thousand texts: a few fill what the stream buffers, the rest the outbox.
  HubView bad;
  for (int i = 0; i < 1000; ++i) {
    bad.Put(Peer(i, {"10.0.0.1/32"}));
  }
  const int before = hub_->streams();
  for (int i = 0; i < 200 && hub_->streams() == before; ++i) {
    (void)hub_->Send(SnapshotOf(bad, 1));
  }
  WaitUntil([&] { return hub_->streams() > before; }, "another stream begins");
}

}  // namespace
}  // namespace adit::rpc
