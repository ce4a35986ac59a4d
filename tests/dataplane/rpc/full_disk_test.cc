// A revocation holds even when it cannot be recorded.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataplane/rpc/update_pipeline.h"
#include "tests/dataplane/rpc/fake_enforcer.h"
#include "tests/dataplane/rpc/objects.h"
#include "tests/dataplane/state/temp_directory.h"
#include "tests/support/small_disk.h"

namespace adit::rpc {
namespace {

using testing::DeltaOf;
using testing::Grant;
using ::testing::HasSubstr;
using testing::HubView;
using testing::IdOf;
using testing::KeyOf;
using testing::Peer;
using testing::Resource;
using testing::SnapshotOf;

// One life of a data plane on the directory.
struct Life {
  explicit Life(const std::string& path)
      : directory(state::StateDirectory::Open(path).value()),
        store(state::ViewStore::Open(directory, {}, loaded).value()),
        pipeline(limits, *store, enforcer, clock) {
    had_view = loaded.view.has_value();
    EXPECT_TRUE(pipeline.Restore(std::move(loaded.view), WallTime()).ok());
  }
  [[nodiscard]] bool Passes(int peer) {
    return enforcer.Passes(KeyOf(peer), "wiki", clock.now.boot);
  }

  const Limits limits = testing::TestLimits();
  testing::FakeClock clock;
  testing::FakeEnforcer enforcer;
  state::StateDirectory directory;
  state::ViewStore::Loaded loaded;
  std::unique_ptr<state::ViewStore> store;
  UpdatePipeline pipeline;
  bool had_view = false;
};

HubView TwoPeers() {
  HubView view;
  view.Put(Peer(1, {}));
  view.Put(Peer(2, {}));
  view.Put(Resource("wiki", {"10.77.1.10/32"}));
  view.Put(Grant(1, "wiki"));
  view.Put(Grant(2, "wiki"));
  return view;
}

// Fills the space the journal has reserved: peers that come and stay, until one is refused.
std::uint64_t AddPeersUntilRefused(Life& life, HubView& view, std::uint64_t revision) {
  for (int i = 0; i < 100'000; ++i) {
    HubView next = view;
    const Outgoing answer = life.pipeline.Handle(
        DeltaOf(next, revision, revision + 1, {}, {Peer(1000 + i, {"100.65.0.0/32"})}));
    next.Remove(PeerId(KeyOf(1000 + i)));
    if (answer.has_nack()) {
      EXPECT_EQ(answer.nack().rejections_size(), 0);
      EXPECT_FALSE(answer.nack().needs_snapshot());
      EXPECT_THAT(answer.nack().text(), HasSubstr("free space"));
      return revision;
    }
    EXPECT_TRUE(
        life.pipeline
            .Handle(DeltaOf(view, revision + 1, revision + 2, {PeerId(KeyOf(1000 + i))}, {}))
            .has_ack());
    revision += 2;
  }
  ADD_FAILURE() << "the disk never filled";
  return revision;
}

TEST(FullDisk, RefusesWhatOnlyGivesAndEnforcesWhatTakesAway) {
  const state::TempDirectory temp;
  adit::testing::OnSmallDisk(temp.path(), "1m", [&] {
    HubView view = TwoPeers();
    {
      Life life(temp.path());
      ASSERT_TRUE(life.pipeline.Handle(SnapshotOf(view, 1))->has_ack());
      adit::testing::FillDisk(temp.path());
      std::uint64_t revision = AddPeersUntilRefused(life, view, 1);
      EXPECT_TRUE(life.Passes(1));

      const Outgoing answer =
          life.pipeline.Handle(DeltaOf(view, revision, revision + 1, {IdOf(Grant(1, "wiki"))}, {}));
      ASSERT_TRUE(answer.has_ack()) << answer.ShortDebugString();
      EXPECT_FALSE(life.Passes(1));
      EXPECT_TRUE(life.Passes(2));
      std::vector<Outgoing> events;
      life.pipeline.Observe(events);
      ASSERT_FALSE(events.empty());
      EXPECT_EQ(events[0].event().fault().code(), "STATE_NOT_RECORDED");
    }
    // What could not be recorded is not undone: nothing is granted.
    {
      Life life(temp.path());
      EXPECT_FALSE(life.had_view);
      EXPECT_FALSE(life.Passes(1));
      EXPECT_FALSE(life.Passes(2));
      // With space again everything is as before.
      std::filesystem::remove(temp.path() + "/filler");
      ASSERT_TRUE(life.pipeline.Handle(SnapshotOf(view, 1'000'000))->has_ack());
    }
    Life life(temp.path());
    EXPECT_FALSE(life.Passes(1));
    EXPECT_TRUE(life.Passes(2));
  });
}

TEST(FullDisk, RecordsAgainAsSoonAsThereIsSpace) {
  const state::TempDirectory temp;
  adit::testing::OnSmallDisk(temp.path(), "1m", [&] {
    HubView view = TwoPeers();
    {
      Life life(temp.path());
      ASSERT_TRUE(life.pipeline.Handle(SnapshotOf(view, 1))->has_ack());
      adit::testing::FillDisk(temp.path());
      const std::uint64_t revision = AddPeersUntilRefused(life, view, 1);
      ASSERT_TRUE(
          life.pipeline.Handle(DeltaOf(view, revision, revision + 1, {IdOf(Grant(1, "wiki"))}, {}))
              .has_ack());
      std::filesystem::remove(temp.path() + "/filler");
      // A delta, with nothing on disk to add it to.
      ASSERT_TRUE(life.pipeline.Handle(DeltaOf(view, revision + 1, revision + 2, {}, {Peer(3, {})}))
                      .has_ack());
    }
    Life life(temp.path());
    EXPECT_TRUE(life.had_view);
    EXPECT_EQ(life.pipeline.state().objects().digest().bytes(), view.Digest());
    EXPECT_FALSE(life.Passes(1));
    EXPECT_TRUE(life.Passes(2));
  });
}

TEST(FullDisk, EnforcesButDoesNotAcknowledgeWhatARestartWouldUndo) {
  const state::TempDirectory temp;
  adit::testing::OnSmallDisk(temp.path(), "1m", [&] {
    HubView view = TwoPeers();
    Life life(temp.path());
    ASSERT_TRUE(life.pipeline.Handle(SnapshotOf(view, 1))->has_ack());
    adit::testing::FillDisk(temp.path());
    const std::uint64_t revision = AddPeersUntilRefused(life, view, 1);
    const std::string snapshot = temp.path() + "/snapshot";
    adit::testing::MakeUndeletable(snapshot);

    HubView revoked = view;
    const Outgoing answer = life.pipeline.Handle(
        DeltaOf(revoked, revision, revision + 1, {IdOf(Grant(1, "wiki"))}, {}));
    ASSERT_TRUE(answer.has_nack());
    EXPECT_THAT(answer.nack().text(), HasSubstr("until a restart"));
    EXPECT_FALSE(life.Passes(1)) << "refused all the same";
    EXPECT_TRUE(life.Passes(2));
    // Nothing but an update that goes through gives anything back.
    std::vector<Outgoing> events;
    life.pipeline.Observe(events);
    EXPECT_FALSE(life.Passes(1));

    std::filesystem::remove(temp.path() + "/filler");
    ASSERT_EQ(umount(snapshot.c_str()), 0);
    ASSERT_TRUE(
        life.pipeline.Handle(DeltaOf(view, revision, revision + 1, {}, {Peer(3, {})})).has_ack());
    EXPECT_TRUE(life.Passes(1)) << "the hub says so: it has not revoked it here";
  });
}

}  // namespace
}  // namespace adit::rpc
