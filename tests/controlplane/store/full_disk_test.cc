#include "tests/controlplane/store/store_fixture.h"
#include "tests/support/small_disk.h"

namespace adit::store {
namespace {

using ::testing::HasSubstr;

TEST(StoreOnAFullDisk, FailsTheCallLosesNothingAndGoesOnWhenThereIsSpace) {
  const state::TempDirectory temp;
  testing::OnSmallDisk(temp.path(), "2m", [&] {
    const std::string path = temp.File("adit.db");
    {
      FilledStore filled(path);
      ASSERT_TRUE(filled.StorePeer().ok());
      testing::FillDisk(temp.path());
      absl::Status status;
      int stored = 0;
      while (status.ok() && stored < 10'000) {
        status = filled.StorePeer();
        stored += status.ok() ? 1 : 0;
      }
      EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
      EXPECT_THAT(MessageOf(status), HasSubstr("free space on that file system"));
      EXPECT_THAT(MessageOf(status), HasSubstr(path));
      EXPECT_FALSE(filled.StorePeer().ok());
      EXPECT_EQ(filled.store().Load()->revision, filled.state().revision());

      std::filesystem::remove(temp.File("filler"));
      EXPECT_TRUE(filled.StorePeer().ok());
      testing::FillDisk(temp.path());
      const auto expected = ContentOf(filled.state());
      EXPECT_EQ(
          ContentOf(model::State::Create(model::Network{}, filled.store().Load().value()).value()),
          expected);
    }
    std::filesystem::remove(temp.File("filler"));
    FilledStore again(path);
    EXPECT_TRUE(again.StorePeer().ok());
  });
}

TEST(StoreOnAFullDisk, OpensWithWhatWasAcknowledgedAfterAnEndWithoutClosing) {
  const state::TempDirectory temp;
  testing::OnSmallDisk(temp.path(), "2m", [&] {
    const std::string path = temp.File("adit.db");
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      FilledStore filled(path);
      testing::FillDisk(temp.path());
      while (filled.StorePeer().ok()) {
      }
      _exit(static_cast<int>(filled.state().revision() % 200));
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    std::filesystem::remove(temp.File("filler"));
    FilledStore filled(path);
    EXPECT_EQ(static_cast<int>(filled.state().revision() % 200), WEXITSTATUS(status));
  });
}

TEST(StoreOnAFullDisk, ThatHasNoRoomForANewStoreSaysSo) {
  const state::TempDirectory temp;
  testing::OnSmallDisk(temp.path(), "64k", [&] {
    testing::FillDisk(temp.path());
    const absl::Status status = OpenStore(temp.File("adit.db")).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    EXPECT_THAT(MessageOf(status), HasSubstr("free space"));
    std::filesystem::remove(temp.File("filler"));
    // Two pages of a 64 KiB disk do not hold a store, but it is not taken for damaged.
    const absl::Status later = OpenStore(temp.File("adit.db")).status();
    EXPECT_TRUE(later.ok() || later.code() == absl::StatusCode::kResourceExhausted) << later;
  });
}

TEST(StoreOnAReadOnlyDisk, IsNamedWithItsRemedy) {
  const state::TempDirectory temp;
  testing::OnSmallDisk(temp.path(), "2m", [&] {
    const std::string path = temp.File("adit.db");
    { FilledStore filled(path); }
    ASSERT_EQ(
        mount(nullptr, temp.path().c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr), 0);
    const absl::Status status = OpenStore(path).status();
    EXPECT_EQ(ErrnoOf(status), EROFS) << status;
    EXPECT_THAT(MessageOf(status), HasSubstr("mount it writable"));
  });
}

}  // namespace
}  // namespace adit::store
