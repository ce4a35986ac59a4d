#pragma once

#include <memory>
#include <string>

#include <absl/status/statusor.h>

#include "common/random.h"
#include "controlplane/store/sqlite.h"
#include "controlplane/store/store.h"

namespace adit::store {

// A Store in one SQLite file: WAL, synchronous=FULL (a commit is one fsync), foreign keys, STRICT
// tables, numbered migrations each in one transaction.
//
// The file and its -wal are 0600 and belong to the process's uid, in a directory that nobody else
// may write to. SQLite's exclusive lock keeps every other process out, readers too, as long as the
// object lives; the kernel releases it with the process. What is deleted is overwritten.
class SqliteStore final : public Store {
 public:
  // Makes the file (and missing directories, 0700) when there is none, with an epoch of `random`;
  // brings an older schema up to date. Errors name the path and the remedy:
  // FAILED_PRECONDITION: held by another process, a newer schema (update adit-controlplane), not
  // Adit's, wrong owner or mode. DATA_LOSS: damaged (restore a backup). RESOURCE_EXHAUSTED,
  // PERMISSION_DENIED, UNAVAILABLE: the file system. The file is left as it was.
  static absl::StatusOr<std::unique_ptr<SqliteStore>> Open(const std::string& path,
                                                           RandomSource& random);

  absl::StatusOr<model::StoredState> Load() override;
  absl::Status Commit(const model::Change& change) override;
  [[nodiscard]] std::string Describe() const override { return "sqlite:" + database_.path(); }

 private:
  explicit SqliteStore(Database database) : database_(std::move(database)) {}

  Database database_;
};

}  // namespace adit::store
