#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/status.h"
#include "dataplane/state/peer_memory.h"
#include "dataplane/state/private_key.h"
#include "dataplane/state/timestamp_mark.h"
#include "dataplane/state/view_store.h"
#include "tests/dataplane/state/temp_directory.h"
#include "tests/dataplane/state/view_model.h"
#include "tests/support/small_disk.h"

namespace adit::state {
namespace {

using ::testing::HasSubstr;

TEST(FullDisk, KeepsTheOldStateAndSaysWhatToDo) {
  const TempDirectory temp;
  testing::OnSmallDisk(temp.path(), "1m", [&] {
    ViewModel model = ViewModel::At(20);
    {
      const StateDirectory directory = StateDirectory::Open(temp.path()).value();
      ViewStore::Loaded loaded;
      const auto store = ViewStore::Open(directory, {}, loaded).value();
      ASSERT_TRUE(store->Replace(model.Version(), model.Views()).ok());
      testing::FillDisk(temp.path());

      // Journal space was reserved, so changes go on for a while.
      absl::Status status;
      ViewModel refused = model;
      int steps = 0;
      while (status.ok() && steps < 100'000) {
        model = refused;
        const ViewModel::Change change = refused.Step();
        status = store->AppendDelta(refused.Version(), KeyViews(change), UpsertViews(change));
        ++steps;
      }
      EXPECT_GT(steps, 5);
      EXPECT_EQ(ErrnoOf(status), ENOSPC);
      EXPECT_THAT(MessageOf(status), HasSubstr("free space on that file system"));
      const absl::Status replaced = store->Replace(refused.Version(), refused.Views());
      EXPECT_EQ(ErrnoOf(replaced), ENOSPC);
    }
    const StateDirectory directory = StateDirectory::Open(temp.path()).value();
    ViewStore::Loaded loaded;
    const auto store = ViewStore::Open(directory, {}, loaded).value();
    EXPECT_EQ(loaded.problem, "");
    ASSERT_TRUE(loaded.view.has_value());
    EXPECT_EQ(loaded.view->version.revision, model.revision());
    EXPECT_EQ(ObjectsOf(*loaded.view), model.objects());

    std::filesystem::remove(temp.File("filler"));
    const ViewModel::Change change = model.Step();
    EXPECT_TRUE(store->AppendDelta(model.Version(), KeyViews(change), UpsertViews(change)).ok());
  });
}

TEST(FullDisk, LetsTheStateBeWithdrawn) {
  const TempDirectory temp;
  testing::OnSmallDisk(temp.path(), "1m", [&] {
    const StateDirectory directory = StateDirectory::Open(temp.path()).value();
    ViewStore::Loaded loaded;
    const auto store = ViewStore::Open(directory, {}, loaded).value();
    const ViewModel model = ViewModel::At(20);
    ASSERT_TRUE(store->Replace(model.Version(), model.Views()).ok());
    testing::FillDisk(temp.path());
    ASSERT_TRUE(store->Withdraw().ok());
    ViewStore::Loaded after;
    ASSERT_TRUE(ViewStore::Open(directory, {}, after).ok());
    EXPECT_FALSE(after.view.has_value());
    EXPECT_EQ(after.problem, "");
  });
}

TEST(FullDisk, DoesNotStopTheTimestampMark) {
  const TempDirectory temp;
  testing::OnSmallDisk(temp.path(), "256k", [&] {
    const StateDirectory directory = StateDirectory::Open(temp.path()).value();
    TimestampMark::Loaded loaded;
    TimestampMark mark = TimestampMark::Open(directory, loaded).value();
    testing::FillDisk(temp.path());
    for (int s = 0; s < 100; s += 10) {
      EXPECT_TRUE(mark.EnsureCovers(WallTime(seconds(s)), WallTime(seconds(s))).ok());
    }
  });
}

TEST(FullDisk, DelaysPeerMemoryUntilThereIsSpace) {
  const TempDirectory temp;
  testing::OnSmallDisk(temp.path(), "256k", [&] {
    const StateDirectory directory = StateDirectory::Open(temp.path()).value();
    PeerMemory::Loaded loaded;
    PeerMemory memory = PeerMemory::Open(directory, loaded).value();
    PeerRecord peer;
    ASSERT_TRUE(memory.Update(std::vector{peer}, WallTime()).ok());
    testing::FillDisk(temp.path());
    absl::Status status;
    for (std::uint8_t i = 1; status.ok() && i < 250; ++i) {
      peer.greatest_timestamp[11] = i;
      status = memory.Update(std::vector{peer}, WallTime());
    }
    EXPECT_EQ(ErrnoOf(status), ENOSPC);
    std::filesystem::remove(temp.File("filler"));
    ASSERT_TRUE(memory.Update(std::vector{peer}, WallTime()).ok());
    PeerMemory::Loaded after;
    ASSERT_TRUE(PeerMemory::Open(directory, after).ok());
    EXPECT_EQ(after.problem, "");
    EXPECT_EQ(after.peers, std::vector{peer});
  });
}

TEST(FullDisk, LeavesNoHalfPrivateKey) {
  const TempDirectory temp;
  testing::OnSmallDisk(temp.path(), "64k", [&] {
    const StateDirectory directory = StateDirectory::Open(temp.path()).value();
    testing::FillDisk(temp.path());
    EXPECT_EQ(ErrnoOf(LoadOrCreatePrivateKey(directory).status()), ENOSPC);
    EXPECT_FALSE(std::filesystem::exists(temp.File(kPrivateKeyName)));
  });
}

TEST(ReadOnlyDisk, IsNamedWithItsRemedy) {
  const TempDirectory temp;
  testing::OnSmallDisk(temp.path(), "1m", [&] {
    const StateDirectory directory = StateDirectory::Open(temp.path()).value();
    ViewStore::Loaded loaded;
    const auto store = ViewStore::Open(directory, {}, loaded).value();
    ASSERT_EQ(
        mount(nullptr, temp.path().c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr), 0);
    const ViewModel model = ViewModel::At(5);
    const absl::Status status = store->Replace(model.Version(), model.Views());
    EXPECT_EQ(ErrnoOf(status), EROFS);
    EXPECT_THAT(MessageOf(status), HasSubstr("mount it writable"));
  });
}

}  // namespace
}  // namespace adit::state
