#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "common/time.h"
#include "controlplane/model/state.h"

// Requests about resources. Each judges the request against the state and returns what to store;
// the state stays as it is. Errors are error.h's refusals.
namespace adit::model {

// As asked for: any number, judged here.
struct AllowRequest {
  std::uint32_t protocol = 0;  // Allow::Protocol's numbers; others are refused
  std::uint32_t first_port = 0;
  std::uint32_t last_port = 0;
};

struct ResourceCreate {
  std::string name;
  std::string node;                // empty: the only node there is
  std::vector<std::string> cidrs;  // "10.0.0.0/8", "10.0.0.7"
  bool allow_all = false;
  std::vector<AllowRequest> allow;
  std::optional<bool> nat;  // unset: true
};
// Refused: no cidr, and any that a data plane refuses (default, loopback, link-local, multicast,
// unspecified, mapped, overlapping the tunnel ranges), host bits, repetitions; neither allow_all
// nor an allow, or both.
absl::StatusOr<Change> CreateResource(const State& state, const ResourceCreate& create,
                                      WallTime now);

// A field that is set is in the update mask. `allow` replaces allow_all and the list together.
struct ResourceUpdate {
  struct Filter {
    bool allow_all = false;
    std::vector<AllowRequest> allow;
  };
  std::string name;
  std::string etag;  // empty: not compared
  std::optional<std::string> node;
  std::optional<std::vector<std::string>> cidrs;
  std::optional<Filter> filter;
  std::optional<bool> nat;
};
absl::StatusOr<Change> UpdateResource(const State& state, const ResourceUpdate& update);

// Takes the resource out of its policies too, and deletes a policy that has no other resource.
absl::StatusOr<Change> DeleteResource(const State& state, std::string_view name,
                                      std::string_view etag);

}  // namespace adit::model
