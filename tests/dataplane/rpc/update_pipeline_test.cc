#include "dataplane/rpc/update_pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/dataplane/rpc/fake_enforcer.h"
#include "tests/dataplane/rpc/objects.h"
#include "tests/dataplane/state/temp_directory.h"

namespace adit::rpc {
namespace {

using testing::DeltaOf;
using testing::Grant;
using testing::HubView;
using testing::IdOf;
using testing::KeyOf;
using testing::Peer;
using testing::Resource;
using testing::SnapshotOf;

namespace pb = ::adit::dataplane::v1;

constexpr std::int64_t kSecond = 1'000'000'000;

class UpdatePipelineTest : public ::testing::Test {
 protected:
  UpdatePipelineTest() { Start(); }

  void Start() {
    pipeline_.reset();
    store_.reset();
    directory_.reset();
    enforcer_ = std::make_unique<testing::FakeEnforcer>();
    directory_.emplace(state::StateDirectory::Open(temp_.path()).value());
    state::ViewStore::Loaded loaded;
    store_ = state::ViewStore::Open(*directory_, {}, loaded).value();
    pipeline_.emplace(limits_, *store_, *enforcer_, clock_);
    ASSERT_TRUE(pipeline_->Restore(std::move(loaded.view), WallTime()).ok());
  }
  [[nodiscard]] std::int64_t HubNow() const { return clock_.now.wall.since_epoch().count(); }
  [[nodiscard]] bool Passes(int peer) {
    return enforcer_->Passes(KeyOf(peer), "wiki", clock_.now.boot);
  }
  void Begin(std::optional<std::int64_t> expires_at = {}) {
    view_.Put(Peer(1, {"100.64.0.7/32"}));
    view_.Put(Resource("wiki", {"10.77.1.10/32"}));
    view_.Put(Grant(1, "wiki", expires_at));
    ASSERT_TRUE(pipeline_->Handle(SnapshotOf(view_, 1, HubNow()))->has_ack());
  }
  std::vector<Outgoing> Observe() {
    std::vector<Outgoing> events;
    pipeline_->Observe(events);
    return events;
  }

  const state::TempDirectory temp_;
  testing::FakeClock clock_;
  Limits limits_ = testing::TestLimits();
  std::optional<state::StateDirectory> directory_;
  std::unique_ptr<state::ViewStore> store_;
  std::unique_ptr<testing::FakeEnforcer> enforcer_;
  std::optional<UpdatePipeline> pipeline_;
  HubView view_;
};

TEST_F(UpdatePipelineTest, EndsAGrantByTheHubsClock) {
  clock_.now.wall = clock_.now.wall + seconds(-3600);  // the own one is an hour behind
  const std::int64_t hub_now = HubNow() + 3600 * kSecond;
  view_.Put(Peer(1, {}));
  view_.Put(Resource("wiki", {"10.77.1.10/32"}));
  view_.Put(Grant(1, "wiki", hub_now + 60 * kSecond));
  ASSERT_TRUE(pipeline_->Handle(SnapshotOf(view_, 1, hub_now))->has_ack());
  EXPECT_TRUE(Passes(1));
  clock_.Advance(seconds(59));
  EXPECT_TRUE(Passes(1));
  EXPECT_TRUE(Observe().empty());
  clock_.Advance(seconds(1));
  EXPECT_FALSE(Passes(1));
  const std::vector<Outgoing> events = Observe();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].event().grant_expired().grant().key(), Grant(1, "wiki").key);
  EXPECT_TRUE(Observe().empty()) << "told once";
}

TEST_F(UpdatePipelineTest, EndsAGrantEarlierWhenTheOwnClockIsSetForward) {
  Begin(HubNow() + 60 * kSecond);
  clock_.now.wall = clock_.now.wall + seconds(120);
  EXPECT_TRUE(Passes(1)) << "nobody has looked at the clock";
  (void)Observe();
  EXPECT_FALSE(Passes(1));
  clock_.now.wall = clock_.now.wall + seconds(-120);
  (void)Observe();
  EXPECT_FALSE(Passes(1)) << "a step back gives nothing back";
  pipeline_->HubSpoke(HubNow());
  EXPECT_TRUE(Passes(1)) << "the hub does";
}

TEST_F(UpdatePipelineTest, KeepsAGrantsEndOverARestart) {
  Begin(HubNow() + 60 * kSecond);
  clock_.Advance(seconds(10));
  Start();
  EXPECT_TRUE(Passes(1));
  clock_.Advance(seconds(50));
  EXPECT_FALSE(Passes(1));
}

TEST_F(UpdatePipelineTest, DeniesGrantsThatEndAfterAStartWithAClockSetBack) {
  Begin(HubNow() + 60 * kSecond);
  clock_.now.wall = clock_.now.wall + seconds(-3600);
  Start();
  EXPECT_FALSE(Passes(1));
  pipeline_->HubSpoke(HubNow() + 3600 * kSecond);
  EXPECT_TRUE(Passes(1));
}

TEST_F(UpdatePipelineTest, KeepsWhatItAcknowledgedThroughManyRestarts) {
  Begin();
  for (std::uint64_t revision = 1; revision < 30; ++revision) {
    const int peer = 2 + static_cast<int>(revision % 5);
    pb::Delta delta = revision % 3 == 0
                          ? DeltaOf(view_, revision, revision + 1, {PeerId(KeyOf(peer))}, {})
                          : DeltaOf(view_, revision, revision + 1, {}, {Peer(peer, {})});
    const Outgoing answer = pipeline_->Handle(std::move(delta));
    ASSERT_TRUE(answer.has_ack()) << answer.ShortDebugString();
    EXPECT_EQ(answer.ack().digest(), view_.Digest());
    if (revision % 4 == 0) {
      Start();
      EXPECT_EQ(pipeline_->state().revision(), revision + 1);
      EXPECT_EQ(pipeline_->state().objects().digest().bytes(), view_.Digest());
    }
  }
}

TEST_F(UpdatePipelineTest, StartsWithoutWhatNarrowerFlagsForbidAndGoesOnFromThere) {
  Begin();
  limits_.tunnel_ranges = {IpPrefix::Parse("100.65.0.0/16").value()};
  Start();
  EXPECT_FALSE(Passes(1));
  EXPECT_EQ(pipeline_->state().objects().size(), 1U);
  EXPECT_NE(pipeline_->state().objects().digest().bytes(), view_.Digest()) << "the hub sees it";
  // What is on disk is what is applied: a change to it survives the next start.
  HubView kept;
  kept.Put(Resource("wiki", {"10.77.1.10/32"}));
  ASSERT_TRUE(
      pipeline_->Handle(DeltaOf(kept, 1, 2, {}, {Resource("b", {"10.0.0.0/24"})})).has_ack());
  Start();
  EXPECT_EQ(pipeline_->state().revision(), 2U);
  EXPECT_EQ(pipeline_->state().objects().digest().bytes(), kept.Digest());
}

TEST_F(UpdatePipelineTest, SetsTheHostUpOnlyWhenItDiffers) {
  Begin();
  const int before = enforcer_->host_applied;
  ASSERT_TRUE(pipeline_->Handle(DeltaOf(view_, 1, 2, {}, {Peer(2, {})})).has_ack());
  EXPECT_EQ(enforcer_->host_applied, before);
  ASSERT_TRUE(
      pipeline_->Handle(DeltaOf(view_, 2, 3, {}, {Resource("b", {"10.0.0.0/24"})})).has_ack());
  EXPECT_EQ(enforcer_->host_applied, before + 1);
}

TEST_F(UpdatePipelineTest, WhatIsTakenAwayDoesNotWaitForTheHost) {
  Begin();
  ASSERT_EQ(enforcer_->resources_at_host, 0U) << "what is granted does";
  const int before = enforcer_->host_applied;
  const std::vector<ObjectId> removals = {IdOf(Resource("wiki", {"10.77.1.10/32"})),
                                          IdOf(Grant(1, "wiki", {}))};
  ASSERT_TRUE(pipeline_->Handle(DeltaOf(view_, 1, 2, removals, {Resource("b", {"10.0.0.0/24"})}))
                  .has_ack());
  EXPECT_EQ(enforcer_->host_applied, before + 1);
  EXPECT_EQ(enforcer_->resources_at_host, 0U) << "wiki is gone, b is yet to come";
  EXPECT_EQ(enforcer_->resources.size(), 1U);
}

TEST_F(UpdatePipelineTest, TellsThatAKeyFoundNoRoom) {
  enforcer_->has_room = false;
  Begin();
  const std::vector<Outgoing> events = Observe();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].event().fault().code(), "KEY_ARENA_FULL");
}

}  // namespace
}  // namespace adit::rpc
