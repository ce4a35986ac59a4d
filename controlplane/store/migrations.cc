#include "controlplane/store/migrations.h"

#include <array>
#include <iterator>

#include <fmt/format.h>

#include "common/status.h"

namespace adit::store {
namespace {

constexpr std::int64_t kApplicationId = 0x41444954;  // "ADIT"

// Step n leads from schema n-1 to schema n. A step that has been released is never edited.
// References are checked at commit, so that a change's records may be written in any order.
constexpr const char* kSteps[] = {
    R"sql(
CREATE TABLE meta (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  epoch BLOB NOT NULL CHECK (length(epoch) = 16),
  revision INTEGER NOT NULL CHECK (revision >= 0)
) STRICT;

CREATE TABLE nodes (
  name TEXT NOT NULL PRIMARY KEY,
  public_key BLOB NOT NULL UNIQUE CHECK (length(public_key) = 32),
  advertise TEXT NOT NULL,
  reported_advertise TEXT NOT NULL,
  v4 BLOB UNIQUE,
  v6 BLOB UNIQUE,
  listen_port INTEGER NOT NULL,
  mtu INTEGER NOT NULL,
  created_ns INTEGER NOT NULL,
  revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE peers (
  name TEXT NOT NULL PRIMARY KEY,
  public_key BLOB NOT NULL UNIQUE CHECK (length(public_key) = 32),
  preshared_key BLOB CHECK (preshared_key IS NULL OR length(preshared_key) = 32),
  node TEXT NOT NULL REFERENCES nodes (name) DEFERRABLE INITIALLY DEFERRED,
  v4 BLOB UNIQUE,
  v6 BLOB UNIQUE,
  endpoint TEXT,
  keepalive INTEGER NOT NULL,
  exported_revision INTEGER NOT NULL,
  created_ns INTEGER NOT NULL,
  revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX peers_by_node ON peers (node);

CREATE TABLE resources (
  name TEXT NOT NULL PRIMARY KEY,
  node TEXT NOT NULL REFERENCES nodes (name) DEFERRABLE INITIALLY DEFERRED,
  allow_all INTEGER NOT NULL CHECK (allow_all IN (0, 1)),
  nat INTEGER NOT NULL CHECK (nat IN (0, 1)),
  destinations_revision INTEGER NOT NULL,
  created_ns INTEGER NOT NULL,
  revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX resources_by_node ON resources (node);

CREATE TABLE resource_cidrs (
  resource TEXT NOT NULL REFERENCES resources (name) ON DELETE CASCADE
    DEFERRABLE INITIALLY DEFERRED,
  position INTEGER NOT NULL,
  cidr TEXT NOT NULL,
  PRIMARY KEY (resource, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE resource_allows (
  resource TEXT NOT NULL REFERENCES resources (name) ON DELETE CASCADE
    DEFERRABLE INITIALLY DEFERRED,
  position INTEGER NOT NULL,
  protocol INTEGER NOT NULL,
  first_port INTEGER NOT NULL,
  last_port INTEGER NOT NULL,
  PRIMARY KEY (resource, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE policies (
  name TEXT NOT NULL PRIMARY KEY,
  disabled INTEGER NOT NULL CHECK (disabled IN (0, 1)),
  expires_ns INTEGER,
  created_ns INTEGER NOT NULL,
  revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE policy_peers (
  policy TEXT NOT NULL REFERENCES policies (name) ON DELETE CASCADE
    DEFERRABLE INITIALLY DEFERRED,
  member TEXT NOT NULL REFERENCES peers (name) DEFERRABLE INITIALLY DEFERRED,
  PRIMARY KEY (policy, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX policy_peers_by_member ON policy_peers (member);

CREATE TABLE policy_resources (
  policy TEXT NOT NULL REFERENCES policies (name) ON DELETE CASCADE
    DEFERRABLE INITIALLY DEFERRED,
  member TEXT NOT NULL REFERENCES resources (name) DEFERRABLE INITIALLY DEFERRED,
  PRIMARY KEY (policy, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX policy_resources_by_member ON policy_resources (member);
)sql",
};
static_assert(std::size(kSteps) == kSchemaVersion);

absl::Status InsertMeta(const Database& database, RandomSource& random) {
  std::array<std::uint8_t, 16> epoch{};
  random.Fill(epoch);
  ASSIGN_OR_RETURN(Statement insert, database.Prepare("INSERT INTO meta VALUES (1, ?, 0)"));
  return insert.BindBlob(epoch).Run();
}

absl::Status TakeStep(const Database& database, std::int64_t step, RandomSource& random) {
  RETURN_IF_ERROR(database.Execute(kSteps[step - 1]));
  if (step == 1) {
    RETURN_IF_ERROR(InsertMeta(database, random));
  }
  return database.Execute(
      fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", kApplicationId, step));
}

}  // namespace

absl::Status CheckSchema(const Database& database) {
  ASSIGN_OR_RETURN(const std::int64_t application, database.QueryInt("PRAGMA application_id"));
  ASSIGN_OR_RETURN(const std::int64_t version, database.QueryInt("PRAGMA user_version"));
  ASSIGN_OR_RETURN(const std::int64_t objects,
                   database.QueryInt("SELECT count(*) FROM sqlite_schema"));
  const bool is_fresh = application == 0 && version == 0 && objects == 0;
  if (!is_fresh && application != kApplicationId) {
    return FailedPrecondition(fmt::format(
        "{} is an SQLite database, but not Adit's: choose another --store", database.path()));
  }
  if (version > kSchemaVersion) {
    return FailedPrecondition(
        fmt::format("store {} has schema {}, this adit-controlplane knows up to {}: update "
                    "adit-controlplane, or put back a backup made before the update",
                    database.path(), version, kSchemaVersion));
  }
  return absl::OkStatus();
}

absl::Status Migrate(const Database& database, RandomSource& random) {
  ASSIGN_OR_RETURN(const std::int64_t version, database.QueryInt("PRAGMA user_version"));
  for (std::int64_t step = version + 1; step <= kSchemaVersion; ++step) {
    RETURN_IF_ERROR(database.InTransaction([&] { return TakeStep(database, step, random); }));
  }
  return absl::OkStatus();
}

}  // namespace adit::store
