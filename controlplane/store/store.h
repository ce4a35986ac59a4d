#pragma once

#include <string>

#include <absl/status/statusor.h>

#include "controlplane/model/change.h"
#include "controlplane/model/state.h"

namespace adit::store {

// Where desired state is durable. One process at a time holds a store.
//
// It holds preshared keys in clear (a WireGuard gateway needs them), never a private key. Results
// of requests (request_id) are not kept here: the admin API remembers them in memory for ten
// minutes, and after a restart a repeated create is ALREADY_EXISTS.
//
// Thread: one at a time; calls block on the disk.
class Store {
 public:
  virtual ~Store() = default;

  // Everything. DATA_LOSS when what is stored cannot be understood.
  virtual absl::StatusOr<model::StoredState> Load() = 0;

  // When it returns OK the change is on stable storage. On an error nothing of it is stored, and
  // the store goes on with what it held: RESOURCE_EXHAUSTED (no space: free some), ABORTED (the
  // change does not follow the stored revision: load again), UNAVAILABLE (disk error).
  // Requires a change that is not empty.
  virtual absl::Status Commit(const model::Change& change) = 0;

  // For status: "sqlite:/var/lib/adit/controlplane/adit.db".
  [[nodiscard]] virtual std::string Describe() const = 0;
};

}  // namespace adit::store
