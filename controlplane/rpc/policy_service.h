#pragma once

#include "adit/admin/v1/policy.grpc.pb.h"
#include "controlplane/rpc/admin_calls.h"

namespace adit::hub {

// adit.admin.v1.PolicyService. Thread: gRPC's; everything runs through AdminCalls.
class PolicyService final : public admin::v1::PolicyService::CallbackService {
 public:
  explicit PolicyService(AdminCalls& calls) : calls_(calls) {}

  grpc::ServerUnaryReactor* CreatePolicy(grpc::CallbackServerContext* context,
                                         const admin::v1::CreatePolicyRequest* request,
                                         admin::v1::PolicyMutation* response) override;
  grpc::ServerUnaryReactor* GetPolicy(grpc::CallbackServerContext* context,
                                      const admin::v1::GetPolicyRequest* request,
                                      admin::v1::Policy* response) override;
  grpc::ServerUnaryReactor* ListPolicies(grpc::CallbackServerContext* context,
                                         const admin::v1::ListPoliciesRequest* request,
                                         admin::v1::ListPoliciesResponse* response) override;
  grpc::ServerUnaryReactor* UpdatePolicy(grpc::CallbackServerContext* context,
                                         const admin::v1::UpdatePolicyRequest* request,
                                         admin::v1::PolicyMutation* response) override;
  grpc::ServerUnaryReactor* DeletePolicy(grpc::CallbackServerContext* context,
                                         const admin::v1::DeletePolicyRequest* request,
                                         admin::v1::PolicyMutation* response) override;

 private:
  AdminCalls& calls_;
};

}  // namespace adit::hub
