#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/controlplane/store/store_fixture.h"

namespace adit::store {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Every way a store can be unusable gets an error that names it and the remedy, and stays as it is.
class StoreRefusals : public ::testing::Test {
 protected:
  [[nodiscard]] std::string path() const { return temp_.File("adit.db"); }

  void Execute(const std::string& sql) const {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(path().c_str(), &database), SQLITE_OK);
    char* error = nullptr;
    EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, &error), SQLITE_OK) << error;
    sqlite3_close(database);
    chmod(path().c_str(), 0600);
  }
  void Fill(int peers = 1) const {
    FilledStore filled(path());
    for (int i = 0; i < peers; ++i) {
      ASSERT_TRUE(filled.StorePeer().ok());
    }
  }
  void ExpectRefused(absl::StatusCode code, const std::string& text) const {
    const std::string before = state::ReadFileOf(path());
    const absl::Status status = OpenStore(path()).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(MessageOf(status), AllOf(HasSubstr(path()), HasSubstr(text)));
    EXPECT_EQ(state::ReadFileOf(path()), before);
  }

  state::TempDirectory temp_;
};

TEST_F(StoreRefusals, ANewerSchemaSaysToUpdate) {
  Fill();
  Execute("PRAGMA user_version = 99");
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "has schema 99");
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "update adit-controlplane");
}

TEST_F(StoreRefusals, ADatabaseOfSomethingElseIsLeftAlone) {
  Execute("CREATE TABLE theirs (a INTEGER)");
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "not Adit's");
}

TEST_F(StoreRefusals, AFileThatIsNoDatabaseIsLeftAlone) {
  state::WriteFileOf(path(), std::string(5'000, 'x'));
  ExpectRefused(absl::StatusCode::kDataLoss, "put a backup in its place");
}

TEST_F(StoreRefusals, ADamagedFileSaysToRestoreABackup) {
  Fill(200);
  const std::string good = state::ReadFileOf(path());
  ASSERT_GT(good.size(), 32'768U);
  int refused = 0;
  for (std::size_t page = 1; page < good.size() / 4'096; ++page) {
    std::string bad = good;
    std::fill_n(bad.begin() + static_cast<std::ptrdiff_t>(page * 4'096), 2'000, '\x5a');
    state::WriteFileOf(path(), bad);
    auto store = OpenStore(path());
    const absl::Status status = store.ok() ? (*store)->Load().status() : store.status();
    if (!status.ok()) {
      ++refused;
      EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
      EXPECT_THAT(MessageOf(status), AllOf(HasSubstr(path()), HasSubstr("backup")));
    }
  }
  EXPECT_GT(refused, 4);
}

TEST_F(StoreRefusals, ATruncatedFileSaysToRestoreABackup) {
  Fill(200);
  const std::string good = state::ReadFileOf(path());
  for (const std::size_t size :
       {std::size_t{100}, std::size_t{4'096}, good.size() / 2, good.size() - 4'096}) {
    state::WriteFileOf(path(), good.substr(0, size));
    const absl::Status status = OpenStore(path()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << size << ": " << status;
    EXPECT_THAT(MessageOf(status), AllOf(HasSubstr(path()), HasSubstr("backup")));
  }
}

TEST_F(StoreRefusals, AnEmptyFileIsNotTakenForANewStore) {
  state::WriteFileOf(path(), "");
  ExpectRefused(absl::StatusCode::kDataLoss,
                "is empty: put a backup in its place; or remove it to");
}

TEST_F(StoreRefusals, ALogWithoutItsStoreIsKept) {
  const std::string log = path() + "-wal";
  for (const bool is_empty : {false, true}) {
    state::WriteFileOf(log, "changes");
    if (is_empty) {
      state::WriteFileOf(path(), "");
    }
    const absl::Status status = OpenStore(path()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(MessageOf(status), AllOf(HasSubstr(log), HasSubstr("put a backup in its place")));
    EXPECT_EQ(state::ReadFileOf(log), "changes");
    EXPECT_EQ(std::filesystem::exists(path()), is_empty);
  }
}

TEST_F(StoreRefusals, ALogOfSomebodyElseIsNamed) {
  Fill();
  state::WriteFileOf(path() + "-wal", "", 0644);
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "adit.db-wal has owner");
}

TEST_F(StoreRefusals, RowsThatNobodyWroteAreNotBelieved) {
  Fill();
  const std::string good = state::ReadFileOf(path());
  for (const char* sql :
       {"UPDATE peers SET endpoint = 'nonsense'", "UPDATE peers SET keepalive = 70000",
        "UPDATE peers SET v4 = x'0102'", "UPDATE nodes SET public_key = zeroblob(32)",
        "DELETE FROM meta", "UPDATE nodes SET mtu = -1"}) {
    state::WriteFileOf(path(), good);
    Execute(sql);
    const auto store = OpenStore(path());
    ASSERT_TRUE(store.ok()) << store.status();
    const absl::Status status = (*store)->Load().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << sql;
    EXPECT_THAT(MessageOf(status), AllOf(HasSubstr(path()), HasSubstr("backup"))) << sql;
  }
}

TEST_F(StoreRefusals, AStoreThatIsOpenElsewhereIsNamed) {
  FilledStore filled(path());
  const auto expect_in_use = [&] {
    const absl::Status status = OpenStore(path()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_THAT(MessageOf(status), AllOf(HasSubstr(path()), HasSubstr("another process has it")));
  };
  expect_in_use();
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    expect_in_use();
    _exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(filled.StorePeer().ok());
}

TEST_F(StoreRefusals, AFileThatOthersCanReadIsNotUsed) {
  Fill();
  chmod(path().c_str(), 0640);
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "chmod 0600");
  chmod(path().c_str(), 0600);
  if (geteuid() == 0) {
    ASSERT_EQ(chown(path().c_str(), 12'345, static_cast<gid_t>(-1)), 0);
    ExpectRefused(absl::StatusCode::kFailedPrecondition, "has owner 12345");
  }
}

TEST_F(StoreRefusals, ADirectoryThatOthersCanWriteIsNotUsed) {
  chmod(temp_.path().c_str(), 0777);
  const absl::Status status = OpenStore(path()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(MessageOf(status), AllOf(HasSubstr(temp_.path()), HasSubstr("chmod 0700")));
}

TEST_F(StoreRefusals, WhatIsNoRegularFileIsNotUsed) {
  ASSERT_EQ(symlink("elsewhere.db", path().c_str()), 0);
  EXPECT_THAT(MessageOf(OpenStore(path()).status()), HasSubstr("symbolic link"));
  unlink(path().c_str());
  ASSERT_EQ(mkdir(path().c_str(), 0700), 0);
  EXPECT_THAT(MessageOf(OpenStore(path()).status()), HasSubstr(path()));
  rmdir(path().c_str());
  ASSERT_EQ(mkfifo(path().c_str(), 0600), 0);
  EXPECT_THAT(MessageOf(OpenStore(path()).status()), HasSubstr("not a regular file"));
}

TEST_F(StoreRefusals, AParentThatIsNoDirectoryIsNamed) {
  state::WriteFileOf(temp_.File("file"), "");
  const absl::Status status = OpenStore(temp_.File("file/adit.db")).status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(MessageOf(status), HasSubstr(temp_.File("file")));
}

}  // namespace
}  // namespace adit::store
