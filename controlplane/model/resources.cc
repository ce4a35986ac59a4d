#include "controlplane/model/resources.h"

#include <fmt/format.h>

#include "common/status.h"
#include "controlplane/model/fields.h"
#include "controlplane/model/policy_members.h"

namespace adit::model {
namespace {

Change ChangeTo(const State& state, Resource resource) {
  const Resource* before = state.FindResource(resource.name);
  Change change{.revision = state.revision()};
  if (before != nullptr && *before == resource) {
    return change;
  }
  resource.revision = ++change.revision;
  if (before == nullptr || before->cidrs != resource.cidrs || before->node != resource.node) {
    resource.destinations_revision = change.revision;
  }
  change.resources.upserts.push_back(std::move(resource));
  return change;
}

absl::Status CheckRoomForResource(const State& state, const Node& node) {
  if (state.ResourcesOf(node.name).size() < kMaxResourcesPerNode) {
    return absl::OkStatus();
  }
  return Refusal(absl::StatusCode::kResourceExhausted, kLimitReached,
                 fmt::format("node {} has {} resources, which is the most it can have", node.name,
                             kMaxResourcesPerNode));
}

absl::StatusOr<const Resource*> FindResourceToChange(const State& state, std::string_view name,
                                                     std::string_view etag) {
  const Resource* resource = state.FindResource(name);
  if (resource == nullptr) {
    return NotFoundError("resource", name);
  }
  RETURN_IF_ERROR(CheckEtag(resource->revision, etag, "resource", name));
  return resource;
}

}  // namespace

absl::StatusOr<Change> CreateResource(const State& state, const ResourceCreate& create,
                                      WallTime now) {
  FieldErrors errors;
  Resource resource;
  CheckName(create.name, "name", errors);
  resource.name = create.name;
  resource.cidrs = ParseCidrs(create.cidrs, state.network(), errors);
  resource.allow_all = create.allow_all;
  resource.allow = ParseAllow(create.allow_all, create.allow, errors);
  resource.nat = create.nat.value_or(true);
  resource.created = now;
  RETURN_IF_ERROR(errors.ToStatus());
  if (state.FindResource(create.name) != nullptr) {
    return AlreadyExistsError("resource", create.name);
  }
  ASSIGN_OR_RETURN(const Node* node, ResolveNode(state, create.node, "--node"));
  RETURN_IF_ERROR(CheckRoomForResource(state, *node));
  resource.node = node->name;
  return ChangeTo(state, std::move(resource));
}

absl::StatusOr<Change> UpdateResource(const State& state, const ResourceUpdate& update) {
  ASSIGN_OR_RETURN(const Resource* before, FindResourceToChange(state, update.name, update.etag));
  Resource resource = *before;
  FieldErrors errors;
  if (update.cidrs) {
    resource.cidrs = ParseCidrs(*update.cidrs, state.network(), errors);
  }
  if (update.filter) {
    resource.allow_all = update.filter->allow_all;
    resource.allow = ParseAllow(update.filter->allow_all, update.filter->allow, errors);
  }
  if (update.nat) {
    resource.nat = *update.nat;
  }
  RETURN_IF_ERROR(errors.ToStatus());
  if (update.node && *update.node != before->node) {
    ASSIGN_OR_RETURN(const Node* node, ResolveNode(state, *update.node, "--node"));
    if (node->name != before->node) {
      RETURN_IF_ERROR(CheckRoomForResource(state, *node));
      resource.node = node->name;
    }
  }
  return ChangeTo(state, std::move(resource));
}

absl::StatusOr<Change> DeleteResource(const State& state, std::string_view name,
                                      std::string_view etag) {
  RETURN_IF_ERROR(FindResourceToChange(state, name, etag).status());
  Change change{.revision = state.revision() + 1};
  change.resources.deletes.emplace_back(name);
  for (const std::string& policy : state.PoliciesOfResource(name)) {
    RemoveMember(*state.FindPolicy(policy), &Policy::resources, name, change);
  }
  return change;
}

}  // namespace adit::model
