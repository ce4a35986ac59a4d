#include "controlplane/model/policies.h"

#include <fmt/format.h>

#include "common/status.h"
#include "controlplane/model/fields.h"

namespace adit::model {
namespace {

Change ChangeTo(const State& state, Policy policy) {
  const Policy* before = state.FindPolicy(policy.name);
  Change change{.revision = state.revision()};
  if (before == nullptr || *before != policy) {
    policy.revision = ++change.revision;
    change.policies.upserts.push_back(std::move(policy));
  }
  return change;
}

void CheckExpires(const std::optional<WallTime>& expires, WallTime now, FieldErrors& errors) {
  if (expires && *expires <= now) {
    errors.Add("expires", "is not in the future; leave it out for a policy without an end");
  }
}

absl::Status CheckMembersExist(const State& state, const Policy& policy) {
  std::vector<FieldError> fields;
  std::string message;
  const auto check = [&](std::span<const std::string> names, const char* field, const char* what,
                         auto&& exists) {
    for (const std::string& name : names) {
      if (!exists(name)) {
        fields.push_back({field, fmt::format("{} {} does not exist", what, name)});
        message += fmt::format("{}there is no {} {}", message.empty() ? "" : "; ", what, name);
      }
    }
  };
  check(policy.peers, "peers", "peer",
        [&](const std::string& name) { return state.FindPeer(name) != nullptr; });
  check(policy.resources, "resources", "resource",
        [&](const std::string& name) { return state.FindResource(name) != nullptr; });
  if (!fields.empty()) {
    return Refusal(absl::StatusCode::kNotFound, kNotFound, message, fields);
  }
  if (policy.peers.size() * policy.resources.size() > kMaxGrants) {
    return Refusal(absl::StatusCode::kResourceExhausted, kLimitReached,
                   fmt::format("{} peers times {} resources are more than {} grants: make fewer, "
                               "wider resources",
                               policy.peers.size(), policy.resources.size(), kMaxGrants));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Change> CreatePolicy(const State& state, const PolicyCreate& create, WallTime now) {
  FieldErrors errors;
  Policy policy;
  CheckName(create.name, "name", errors);
  policy.name = create.name;
  policy.peers = ParseMembers(create.peers, "peers", errors);
  policy.resources = ParseMembers(create.resources, "resources", errors);
  policy.disabled = create.disabled;
  policy.expires = create.expires;
  policy.created = now;
  CheckExpires(create.expires, now, errors);
  RETURN_IF_ERROR(errors.ToStatus());
  if (state.FindPolicy(create.name) != nullptr) {
    return AlreadyExistsError("policy", create.name);
  }
  RETURN_IF_ERROR(CheckMembersExist(state, policy));
  return ChangeTo(state, std::move(policy));
}

absl::StatusOr<Change> UpdatePolicy(const State& state, const PolicyUpdate& update, WallTime now) {
  const Policy* before = state.FindPolicy(update.name);
  if (before == nullptr) {
    return NotFoundError("policy", update.name);
  }
  RETURN_IF_ERROR(CheckEtag(before->revision, update.etag, "policy", update.name));
  Policy policy = *before;
  FieldErrors errors;
  if (update.peers) {
    policy.peers = ParseMembers(*update.peers, "peers", errors);
  }
  if (update.resources) {
    policy.resources = ParseMembers(*update.resources, "resources", errors);
  }
  if (update.disabled) {
    policy.disabled = *update.disabled;
  }
  if (update.expires) {
    policy.expires = *update.expires;
    CheckExpires(*update.expires, now, errors);
  }
  RETURN_IF_ERROR(errors.ToStatus());
  RETURN_IF_ERROR(CheckMembersExist(state, policy));
  return ChangeTo(state, std::move(policy));
}

absl::StatusOr<Change> DeletePolicy(const State& state, std::string_view name,
                                    std::string_view etag) {
  const Policy* policy = state.FindPolicy(name);
  if (policy == nullptr) {
    return NotFoundError("policy", name);
  }
  RETURN_IF_ERROR(CheckEtag(policy->revision, etag, "policy", name));
  Change change{.revision = state.revision() + 1};
  change.policies.deletes.emplace_back(name);
  return change;
}

}  // namespace adit::model
