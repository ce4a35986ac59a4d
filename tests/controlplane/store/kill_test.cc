#include <sys/wait.h>
#include <unistd.h>

#include "common/unique_fd.h"
#include "tests/controlplane/store/store_fixture.h"

namespace adit::store {
namespace {

// Commits changes for ever and writes each revision to the pipe after its commit.
[[noreturn]] void CommitForEver(const std::string& path, int acknowledged) {
  FilledStore filled(path);
  while (true) {
    const std::string newest =
        filled.state().peers().empty() ? std::string() : filled.state().peers().rbegin()->first;
    const bool deletes = filled.state().peers().size() > 20;
    const absl::Status status =
        deletes ? filled.Store(model::DeletePeer(filled.state(), newest, "")) : filled.StorePeer();
    if (!status.ok()) {
      _exit(1);
    }
    const std::uint64_t revision = filled.state().revision();
    if (write(acknowledged, &revision, sizeof revision) != sizeof revision) {
      _exit(2);
    }
  }
}

TEST(KilledStore, HasEveryAcknowledgedChangeAndAtMostTheOneBeingMade) {
  const state::TempDirectory temp;
  const std::string path = temp.File("adit.db");
  testing::SeededRandom random(42);
  std::uint64_t last = 0;
  for (int round = 0; round < 20; ++round) {
    int pipe_fds[2];
    ASSERT_EQ(pipe(pipe_fds), 0);
    UniqueFd reader(pipe_fds[0]);
    UniqueFd writer(pipe_fds[1]);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      CommitForEver(path, writer.get());
    }
    writer.Reset();
    // Killed somewhere in the commit after this many.
    const std::uint64_t commits = 1 + random.Below(60);
    std::uint64_t acknowledged = last;
    for (std::uint64_t i = 0; i < commits; ++i) {
      ASSERT_EQ(read(reader.get(), &acknowledged, sizeof acknowledged),
                static_cast<ssize_t>(sizeof acknowledged));
    }
    ASSERT_EQ(kill(child, SIGKILL), 0);
    while (read(reader.get(), &acknowledged, sizeof acknowledged) ==
           static_cast<ssize_t>(sizeof acknowledged)) {
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));

    const auto store = OpenStore(path);
    ASSERT_TRUE(store.ok()) << store.status();
    const auto stored = (*store)->Load();
    ASSERT_TRUE(stored.ok()) << stored.status();
    EXPECT_GE(stored->revision, acknowledged);
    EXPECT_LE(stored->revision, acknowledged + 1);
    EXPECT_TRUE(model::State::Create(model::Network{}, *stored).ok());
    last = stored->revision;
  }
  EXPECT_GT(last, 100U);
}

}  // namespace
}  // namespace adit::store
