#include "dataplane/state/view_store.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <optional>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/status.h"
#include "dataplane/state/view_replay.h"
#include "tests/dataplane/state/temp_directory.h"
#include "tests/dataplane/state/view_model.h"

namespace adit::state {
namespace {

using ::testing::HasSubstr;

// One life of a process that has the state directory open.
struct Life {
  explicit Life(const std::string& path, ViewStore::Options options = {})
      : directory(StateDirectory::Open(path).value()),
        store(ViewStore::Open(directory, options, loaded).value()) {}

  void Step(ViewModel& model) {
    const ViewModel::Change change = model.Step();
    const absl::Status status =
        store->AppendDelta(model.Version(), KeyViews(change), UpsertViews(change));
    ASSERT_TRUE(status.ok()) << status;
  }

  StateDirectory directory;
  ViewStore::Loaded loaded;
  std::unique_ptr<ViewStore> store;
};

void ExpectHolds(const ViewStore::Loaded& loaded, const ViewModel& model) {
  EXPECT_EQ(loaded.problem, "");
  ASSERT_TRUE(loaded.view.has_value());
  EXPECT_EQ(loaded.view->version.revision, model.revision());
  EXPECT_EQ(loaded.view->version.digest, model.Version().digest);
  EXPECT_EQ(loaded.view->version.written_at, model.Version().written_at);
  EXPECT_EQ(ObjectsOf(*loaded.view), model.objects());
}

// A snapshot at revision 5 and a journal of `deltas` more.
ViewModel WriteHistory(const std::string& path, std::uint64_t deltas) {
  ViewModel model = ViewModel::At(5);
  Life life(path);
  EXPECT_TRUE(life.store->Replace(model.Version(), model.Views()).ok());
  for (std::uint64_t i = 0; i < deltas; ++i) {
    life.Step(model);
  }
  return model;
}

TEST(ViewStore, HoldsNothingAndNoProblemWhenThereWasNothing) {
  const TempDirectory temp;
  const Life life(temp.path() + "/state");
  EXPECT_FALSE(life.loaded.view.has_value());
  EXPECT_EQ(life.loaded.problem, "");
}

TEST(ViewStore, RestoresSnapshotAndDeltas) {
  const TempDirectory temp;
  ViewModel model = WriteHistory(temp.path(), 20);
  {
    Life life(temp.path());
    ExpectHolds(life.loaded, model);
    life.Step(model);
  }
  ExpectHolds(Life(temp.path()).loaded, model);
}

TEST(ViewStore, KeepsItsFilesToItsOwner) {
  const TempDirectory temp;
  WriteHistory(temp.path(), 1);
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(temp.path())) {
    struct stat status {};
    ASSERT_EQ(stat(entry.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600U) << entry.path();
    ++files;
  }
  EXPECT_EQ(files, 3U);  // lock, snapshot, journal
}

TEST(ViewStore, RefusesADeltaWithoutASnapshotOrOfAnotherEpoch) {
  const TempDirectory temp;
  Life life(temp.path());
  ViewModel model = ViewModel::At(3);
  EXPECT_TRUE(absl::IsFailedPrecondition(life.store->AppendDelta(model.Version(), {}, {})));
  ASSERT_TRUE(life.store->Replace(model.Version(), model.Views()).ok());
  ViewVersion other = model.Version();
  other.epoch = "other";
  EXPECT_TRUE(absl::IsFailedPrecondition(life.store->AppendDelta(other, {}, {})));
}

TEST(ViewStore, CutsATornTailAtEveryByte) {
  const TempDirectory temp;
  const ViewModel before = WriteHistory(temp.path(), 3);
  const std::string journal = temp.File("journal-1");
  const std::string whole_before = ReadFileOf(journal);
  ViewModel after = before;
  {
    Life life(temp.path());
    life.Step(after);
  }
  const std::string whole_after = ReadFileOf(journal);
  for (std::size_t size = whole_before.size(); size <= whole_after.size(); ++size) {
    WriteFileOf(journal, whole_after.substr(0, size));
    ViewModel model = size == whole_after.size() ? after : before;
    {
      Life life(temp.path());
      ExpectHolds(life.loaded, model);
      life.Step(model);
    }
    ExpectHolds(Life(temp.path()).loaded, model);
  }
}

TEST(ViewStore, DeniesWhenAnyByteOfTheSnapshotChanged) {
  const TempDirectory temp;
  WriteHistory(temp.path(), 2);
  const std::string good = ReadFileOf(temp.File("snapshot"));
  const std::string journal = ReadFileOf(temp.File("journal-1"));
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ (1 << (i % 8)));
    WriteFileOf(temp.File("snapshot"), bad);
    WriteFileOf(temp.File("journal-1"), journal);
    const Life life(temp.path());
    EXPECT_FALSE(life.loaded.view.has_value()) << "byte " << i;
    EXPECT_THAT(life.loaded.problem, HasSubstr("/snapshot is damaged at byte"));
  }
}

TEST(ViewStore, DeniesWhenTheSnapshotIsCutAnywhere) {
  const TempDirectory temp;
  WriteHistory(temp.path(), 2);
  const std::string good = ReadFileOf(temp.File("snapshot"));
  for (std::size_t size = 0; size < good.size(); ++size) {
    WriteFileOf(temp.File("snapshot"), good.substr(0, size));
    EXPECT_FALSE(Life(temp.path()).loaded.view.has_value()) << size;
  }
}

TEST(ViewStore, DeniesWhenAnyByteOfTheJournalChangedEvenInItsLastRecord) {
  const TempDirectory temp;
  WriteHistory(temp.path(), 3);
  const std::string good = ReadFileOf(temp.File("journal-1"));
  const std::string snapshot = ReadFileOf(temp.File("snapshot"));
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ (1 << (i % 8)));
    WriteFileOf(temp.File("snapshot"), snapshot);
    WriteFileOf(temp.File("journal-1"), bad);
    const Life life(temp.path());
    EXPECT_FALSE(life.loaded.view.has_value()) << "byte " << i;
    EXPECT_THAT(life.loaded.problem, HasSubstr("/journal-1 is damaged at byte"));
  }
}

TEST(ViewStore, DeniesWhenAJournalIsMissingOrIsOfAnotherTime) {
  const TempDirectory temp;
  WriteHistory(temp.path(), 3);
  const std::string old_journal = ReadFileOf(temp.File("journal-1"));
  std::filesystem::remove(temp.File("journal-1"));
  EXPECT_THAT(Life(temp.path()).loaded.problem, HasSubstr("journal-1 is missing"));

  ViewModel model = ViewModel::At(30);
  ASSERT_TRUE(Life(temp.path()).store->Replace(model.Version(), model.Views()).ok());
  WriteFileOf(temp.File("journal-1"), old_journal);
  EXPECT_THAT(Life(temp.path()).loaded.problem, HasSubstr("another state"));
}

TEST(ViewStore, WorksAgainAfterDamageWithTheNextSnapshotAndKeepsTheDamagedFiles) {
  const TempDirectory temp;
  WriteHistory(temp.path(), 3);
  const std::string journal = ReadFileOf(temp.File("journal-1"));
  WriteFileOf(temp.File("snapshot"), "rubbish");
  WriteFileOf(temp.File("damaged-journal-9"), "of an earlier damage");
  ViewModel model = ViewModel::At(40);
  {
    Life life(temp.path());
    EXPECT_THAT(life.loaded.problem, HasSubstr("(kept as damaged-snapshot)"));
    EXPECT_FALSE(life.loaded.view.has_value());
    EXPECT_TRUE(absl::IsFailedPrecondition(life.store->AppendDelta(model.Version(), {}, {})));
    ASSERT_TRUE(life.store->Replace(model.Version(), model.Views()).ok());
    life.Step(model);
  }
  ExpectHolds(Life(temp.path()).loaded, model);
  EXPECT_EQ(ReadFileOf(temp.File("damaged-snapshot")), "rubbish");
  EXPECT_EQ(ReadFileOf(temp.File("damaged-journal-1")), journal);
  EXPECT_FALSE(std::filesystem::exists(temp.File("damaged-journal-9")));
}

TEST(ViewStore, RefusesToStartOnFilesOthersCouldHaveRead) {
  const TempDirectory temp;
  WriteHistory(temp.path(), 1);
  chmod(temp.File("snapshot").c_str(), 0644);
  const StateDirectory directory = StateDirectory::Open(temp.path()).value();
  ViewStore::Loaded loaded;
  const auto store = ViewStore::Open(directory, {}, loaded);
  ASSERT_TRUE(absl::IsFailedPrecondition(store.status()));
  EXPECT_THAT(MessageOf(store.status()), HasSubstr("chmod 0600"));
}

TEST(ViewStore, MergesJournalsAndLosesNothing) {
  const TempDirectory temp;
  ViewModel model = ViewModel::At(5);
  const ViewStore::Options options{.compact_after_bytes = 2000};
  std::size_t most_files = 0;
  {
    Life life(temp.path(), options);
    ASSERT_TRUE(life.store->Replace(model.Version(), model.Views()).ok());
    for (int i = 0; i < 400; ++i) {
      life.Step(model);
      life.store->CompactIfNeeded();
      const auto names = life.directory.List().value();
      most_files = std::max(most_files, names.size());
    }
    life.store->FinishCompaction();
    EXPECT_LE(ReadFileOf(temp.File("snapshot")).size(), 20'000U);
  }
  EXPECT_LE(most_files, 5U);  // lock, snapshot and its temporary, two journals
  EXPECT_FALSE(std::filesystem::exists(temp.File("journal-1")));
  ExpectHolds(Life(temp.path()).loaded, model);
}

TEST(ViewStore, FollowsASealedJournalThatWasNotMerged) {
  const TempDirectory temp;
  ViewModel model = ViewModel::At(5);
  const TempDirectory copy;
  {
    Life life(temp.path(), {.compact_after_bytes = 1});
    ASSERT_TRUE(life.store->Replace(model.Version(), model.Views()).ok());
    const std::string snapshot = ReadFileOf(temp.File("snapshot"));
    life.Step(model);
    std::filesystem::create_hard_link(temp.File("journal-1"), copy.File("journal-1"));
    life.store->CompactIfNeeded();
    life.Step(model);
    life.store->FinishCompaction();
    std::filesystem::copy(temp.File("journal-2"), copy.File("journal-2"));
    WriteFileOf(copy.File("snapshot"), snapshot);
  }
  {
    Life life(copy.path());
    ExpectHolds(life.loaded, model);
    life.Step(model);
  }
  ExpectHolds(Life(copy.path()).loaded, model);
  std::filesystem::remove(copy.File("journal-2"));
  EXPECT_THAT(Life(copy.path()).loaded.problem, HasSubstr("journal-2 is missing"));
}

TEST(ViewStore, WithdrawnStateIsGoneAfterARestart) {
  const TempDirectory temp;
  WriteHistory(temp.path(), 2);
  ViewModel model = ViewModel::At(50);
  {
    Life life(temp.path());
    ASSERT_TRUE(life.store->Withdraw().ok());
    EXPECT_TRUE(absl::IsFailedPrecondition(life.store->AppendDelta(model.Version(), {}, {})));
  }
  const Life life(temp.path());
  EXPECT_FALSE(life.loaded.view.has_value());
  EXPECT_EQ(life.loaded.problem, "");
}

// The child reports a revision once the store has accepted it, as an Ack would; the parent kills
// it at a random moment and looks at what a restart finds.
TEST(ViewStore, LosesNothingAcknowledgedWhenKilledAtAnyMoment) {
  constexpr int kRounds = 60;
  const std::uint32_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const TempDirectory temp;
  std::uint64_t revision = 0;
  for (int round = 0; round < kRounds; ++round) {
    int acks[2];
    ASSERT_EQ(pipe(acks), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      Life life(temp.path(), {.compact_after_bytes = 20'000});
      ViewModel model = ViewModel::At(revision);
      while (true) {
        ViewModel::Change change = model.Step();
        const bool is_snapshot = !life.loaded.view.has_value() || model.revision() % 97 == 0;
        life.loaded.view.emplace();
        const absl::Status status =
            is_snapshot
                ? life.store->Replace(model.Version(), model.Views())
                : life.store->AppendDelta(model.Version(), KeyViews(change), UpsertViews(change));
        const std::uint64_t acknowledged = model.revision();
        if (!status.ok() || write(acks[1], &acknowledged, sizeof acknowledged) < 0) {
          _exit(1);
        }
        life.store->CompactIfNeeded();
      }
    }
    close(acks[1]);
    usleep(static_cast<useconds_t>(random() % 12'000));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    std::uint64_t acknowledged = revision;
    while (read(acks[0], &acknowledged, sizeof acknowledged) > 0) {
    }
    close(acks[0]);

    const Life life(temp.path());
    ASSERT_EQ(life.loaded.problem, "") << "round " << round;
    if (!life.loaded.view.has_value()) {
      ASSERT_EQ(acknowledged, 0U);
      continue;
    }
    revision = life.loaded.view->version.revision;
    ASSERT_GE(revision, acknowledged);
    ASSERT_LE(revision, acknowledged + 1);  // on disk, but killed before it could say so
    ExpectHolds(life.loaded, ViewModel::At(revision));
  }
  EXPECT_GT(revision, 10U) << "on a busy machine too";
}

TEST(ViewStore, KeepsARevocationThatWasAcknowledgedBeforeTheKill) {
  const TempDirectory temp;
  const StoredObject grant{4, "peer/resource", "grant"};
  const StoredObject peer{2, "peer", "body"};
  const auto version = [](std::uint64_t revision, const std::vector<StoredObject>& objects) {
    StateDigest digest;
    for (const StoredObject& object : objects) {
      const auto bytes = [](const std::string& text) {
        return ByteSpan(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
      };
      digest.Add(object.kind, bytes(object.key), bytes(object.body));
    }
    return ViewVersion{"epoch", revision, digest.bytes(), WallTime(), WallTime()};
  };
  const pid_t child = fork();
  if (child == 0) {
    Life life(temp.path());
    const std::vector<ObjectView> views = {{grant.kind, grant.key, grant.body},
                                           {peer.kind, peer.key, peer.body}};
    const std::vector<KeyView> revoked = {{grant.kind, grant.key}};
    if (life.store->Replace(version(1, {grant, peer}), views).ok() &&
        life.store->AppendDelta(version(2, {peer}), revoked, {}).ok()) {
      raise(SIGKILL);
    }
    _exit(1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  const Life life(temp.path());
  ASSERT_TRUE(life.loaded.view.has_value());
  EXPECT_EQ(life.loaded.view->objects, std::vector<StoredObject>{peer});
}

}  // namespace
}  // namespace adit::state
