#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "controlplane/model/change.h"
#include "controlplane/model/state.h"
#include "controlplane/store/sqlite.h"

namespace adit::store {

// Records as rows and back. Writing happens in the caller's transaction.
absl::Status WriteChange(const Database& database, const model::Change& change);
// DATA_LOSS for a row that is no record.
absl::StatusOr<model::StoredState> ReadState(const Database& database);

}  // namespace adit::store
