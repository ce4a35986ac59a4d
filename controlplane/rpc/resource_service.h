#pragma once

#include "adit/admin/v1/resource.grpc.pb.h"
#include "controlplane/rpc/admin_calls.h"

namespace adit::hub {

// adit.admin.v1.ResourceService. Thread: gRPC's; everything runs through AdminCalls.
class ResourceService final : public admin::v1::ResourceService::CallbackService {
 public:
  explicit ResourceService(AdminCalls& calls) : calls_(calls) {}

  grpc::ServerUnaryReactor* CreateResource(grpc::CallbackServerContext* context,
                                           const admin::v1::CreateResourceRequest* request,
                                           admin::v1::ResourceMutation* response) override;
  grpc::ServerUnaryReactor* GetResource(grpc::CallbackServerContext* context,
                                        const admin::v1::GetResourceRequest* request,
                                        admin::v1::Resource* response) override;
  grpc::ServerUnaryReactor* ListResources(grpc::CallbackServerContext* context,
                                          const admin::v1::ListResourcesRequest* request,
                                          admin::v1::ListResourcesResponse* response) override;
  grpc::ServerUnaryReactor* UpdateResource(grpc::CallbackServerContext* context,
                                           const admin::v1::UpdateResourceRequest* request,
                                           admin::v1::ResourceMutation* response) override;
  grpc::ServerUnaryReactor* DeleteResource(grpc::CallbackServerContext* context,
                                           const admin::v1::DeleteResourceRequest* request,
                                           admin::v1::ResourceMutation* response) override;

 private:
  AdminCalls& calls_;
};

}  // namespace adit::hub
