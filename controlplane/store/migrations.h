#pragma once

#include <absl/status/status.h>

#include "common/random.h"
#include "controlplane/store/sqlite.h"

namespace adit::store {

// The schema this program writes. PRAGMA user_version holds the number, application_id says
// that the file is ours.
inline constexpr int kSchemaVersion = 1;

// FAILED_PRECONDITION for a file that is not Adit's or of a newer schema: nothing is written.
absl::Status CheckSchema(const Database& database);

// Brings the schema to kSchemaVersion, each step in one transaction: a step that fails leaves the
// file at the step before. The first step makes an epoch of `random`.
absl::Status Migrate(const Database& database, RandomSource& random);

}  // namespace adit::store
