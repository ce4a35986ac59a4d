#include "controlplane/rpc/policy_service.h"

#include "controlplane/model/policies.h"
#include "controlplane/rpc/admin_records.h"
#include "controlplane/rpc/missing.h"
#include "controlplane/rpc/page.h"
#include "controlplane/rpc/update_mask.h"

namespace adit::hub {
namespace {

std::optional<WallTime> ExpiryOf(const admin::v1::Policy& policy) {
  if (!policy.has_expires_unix_ns()) {
    return std::nullopt;
  }
  return WallTime(Duration(policy.expires_unix_ns()));
}

}  // namespace

grpc::ServerUnaryReactor* PolicyService::CreatePolicy(grpc::CallbackServerContext* context,
                                                      const admin::v1::CreatePolicyRequest* request,
                                                      admin::v1::PolicyMutation* response) {
  return calls_.Mutate(
      context, "CreatePolicy", request, response,
      [=](const model::State& state, WallTime now) {
        const admin::v1::Policy& policy = request->policy();
        model::PolicyCreate create;
        create.name = policy.name();
        create.peers = {policy.peers().begin(), policy.peers().end()};
        create.resources = {policy.resources().begin(), policy.resources().end()};
        create.disabled = policy.disabled();
        create.expires = ExpiryOf(policy);
        return model::CreatePolicy(state, create, now);
      },
      [=](const model::State& state) {
        FillPolicy(*state.FindPolicy(request->policy().name()), response->mutable_policy());
      });
}

grpc::ServerUnaryReactor* PolicyService::GetPolicy(grpc::CallbackServerContext* context,
                                                   const admin::v1::GetPolicyRequest* request,
                                                   admin::v1::Policy* response) {
  return calls_.Read(context, [=](const Hub& hub) {
    const model::Policy* policy = hub.state().FindPolicy(request->name());
    if (policy == nullptr) {
      return Missing("policy", request->name());
    }
    FillPolicy(*policy, response);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* PolicyService::ListPolicies(grpc::CallbackServerContext* context,
                                                      const admin::v1::ListPoliciesRequest* request,
                                                      admin::v1::ListPoliciesResponse* response) {
  return calls_.Read(context, [=](const Hub& hub) -> absl::Status {
    ASSIGN_OR_RETURN(*response->mutable_next_page_token(),
                     ListPage(hub.state().policies(), request->page_size(), request->page_token(),
                              [&](const model::Policy& policy) {
                                FillPolicy(policy, response->add_policies());
                              }));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* PolicyService::UpdatePolicy(grpc::CallbackServerContext* context,
                                                      const admin::v1::UpdatePolicyRequest* request,
                                                      admin::v1::PolicyMutation* response) {
  return calls_.Mutate(
      context, "UpdatePolicy", request, response,
      [=](const model::State& state, WallTime now) -> absl::StatusOr<model::Change> {
        const admin::v1::Policy& policy = request->policy();
        ASSIGN_OR_RETURN(const auto meant,
                         MeantFields(request->update_mask(),
                                     {{"peers", policy.peers_size() > 0},
                                      {"resources", policy.resources_size() > 0},
                                      {"disabled", policy.disabled()},
                                      {"expires_unix_ns", policy.has_expires_unix_ns()}}));
        model::PolicyUpdate update;
        update.name = policy.name();
        update.etag = policy.etag();
        if (meant.contains("peers")) {
          update.peers.emplace(policy.peers().begin(), policy.peers().end());
        }
        if (meant.contains("resources")) {
          update.resources.emplace(policy.resources().begin(), policy.resources().end());
        }
        if (meant.contains("disabled")) {
          update.disabled = policy.disabled();
        }
        if (meant.contains("expires_unix_ns")) {
          update.expires.emplace(ExpiryOf(policy));
        }
        return model::UpdatePolicy(state, update, now);
      },
      [=](const model::State& state) {
        FillPolicy(*state.FindPolicy(request->policy().name()), response->mutable_policy());
      });
}

grpc::ServerUnaryReactor* PolicyService::DeletePolicy(grpc::CallbackServerContext* context,
                                                      const admin::v1::DeletePolicyRequest* request,
                                                      admin::v1::PolicyMutation* response) {
  return calls_.Mutate(
      context, "DeletePolicy", request, response,
      [=](const model::State& state, WallTime) {
        if (const model::Policy* policy = state.FindPolicy(request->name())) {
          FillPolicy(*policy, response->mutable_policy());
        }
        return model::DeletePolicy(state, request->name(), request->etag());
      },
      [](const model::State&) {});
}

}  // namespace adit::hub
