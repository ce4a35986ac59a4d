#pragma once

#include <optional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "common/time.h"
#include "controlplane/model/state.h"

// Requests about policies. Each judges the request against the state and returns what to store;
// the state stays as it is. Errors are error.h's refusals.
namespace adit::model {

struct PolicyCreate {
  std::string name;
  std::vector<std::string> peers;
  std::vector<std::string> resources;
  bool disabled = false;
  std::optional<WallTime> expires;  // in the future
};
// NOT_FOUND, naming the field, for a peer or resource that does not exist.
absl::StatusOr<Change> CreatePolicy(const State& state, const PolicyCreate& create, WallTime now);

// A field that is set is in the update mask; expires with an inner nullopt: no expiry.
struct PolicyUpdate {
  std::string name;
  std::string etag;  // empty: not compared
  std::optional<std::vector<std::string>> peers;
  std::optional<std::vector<std::string>> resources;
  std::optional<bool> disabled;
  std::optional<std::optional<WallTime>> expires;
};
absl::StatusOr<Change> UpdatePolicy(const State& state, const PolicyUpdate& update, WallTime now);

absl::StatusOr<Change> DeletePolicy(const State& state, std::string_view name,
                                    std::string_view etag);

}  // namespace adit::model
