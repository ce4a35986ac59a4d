#include "controlplane/store/sqlite_store.h"

#include <utility>

#include <fmt/format.h>

#include "common/status.h"
#include "controlplane/store/migrations.h"
#include "controlplane/store/records_sql.h"
#include "controlplane/store/store_files.h"

namespace adit::store {
namespace {

// Structure and content of every page and row; 10,000 peers take some ten milliseconds.
absl::Status CheckIntegrity(const Database& database) {
  ASSIGN_OR_RETURN(const std::string verdict, database.QueryText("PRAGMA quick_check(1)"));
  if (verdict == "ok") {
    return absl::OkStatus();
  }
  return DataLoss(
      fmt::format("store {} is damaged ({}): stop the control plane, keep a copy of "
                  "it, and put a backup in its place",
                  database.path(), verdict));
}

absl::Status EnterWal(const Database& database) {
  ASSIGN_OR_RETURN(const std::string mode, database.QueryText("PRAGMA journal_mode = WAL"));
  return mode == "wal" ? absl::OkStatus()
                       : Unavailable(fmt::format("store {}: SQLite cannot keep a write-ahead log "
                                                 "beside it (journal mode is {})",
                                                 database.path(), mode));
}

absl::StatusOr<Database> OpenDatabase(const std::string& path, RandomSource& random) {
  ASSIGN_OR_RETURN(Database database, Database::Open(path));
  RETURN_IF_ERROR(CheckSchema(database));
  RETURN_IF_ERROR(CheckIntegrity(database));
  RETURN_IF_ERROR(EnterWal(database));
  RETURN_IF_ERROR(Migrate(database, random));
  return database;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteStore>> SqliteStore::Open(const std::string& path,
                                                               RandomSource& random) {
  ASSIGN_OR_RETURN(const bool is_new, PrepareStoreFile(path));
  absl::StatusOr<Database> database = OpenDatabase(path, random);
  if (!database.ok()) {
    if (is_new) {
      RemoveEmptyStoreFile(path);
    }
    return database.status();
  }
  return std::unique_ptr<SqliteStore>(new SqliteStore(*std::move(database)));
}

absl::StatusOr<model::StoredState> SqliteStore::Load() { return ReadState(database_); }

absl::Status SqliteStore::Commit(const model::Change& change) {
  return database_.InTransaction([&]() -> absl::Status {
    const auto revision = static_cast<std::int64_t>(change.revision);
    {
      ASSIGN_OR_RETURN(Statement next,
                       database_.Prepare("UPDATE meta SET revision = ? WHERE revision = ?"));
      RETURN_IF_ERROR(next.Bind(revision).Bind(revision - 1).Run());
    }
    ASSIGN_OR_RETURN(const std::int64_t changed, database_.QueryInt("SELECT changes()"));
    if (changed != 1) {
      return Aborted(
          fmt::format("store {}: revision {} does not follow the one stored: restart "
                      "the control plane",
                      database_.path(), revision));
    }
    return WriteChange(database_, change);
  });
}

}  // namespace adit::store
