#pragma once

#include "adit/admin/v1/node.grpc.pb.h"
#include "controlplane/rpc/admin_calls.h"

namespace adit::hub {

// adit.admin.v1.NodeService. Thread: gRPC's; everything runs through AdminCalls.
class NodeService final : public admin::v1::NodeService::CallbackService {
 public:
  explicit NodeService(AdminCalls& calls) : calls_(calls) {}

  grpc::ServerUnaryReactor* GetNode(grpc::CallbackServerContext* context,
                                    const admin::v1::GetNodeRequest* request,
                                    admin::v1::Node* response) override;
  grpc::ServerUnaryReactor* ListNodes(grpc::CallbackServerContext* context,
                                      const admin::v1::ListNodesRequest* request,
                                      admin::v1::ListNodesResponse* response) override;
  grpc::ServerUnaryReactor* UpdateNode(grpc::CallbackServerContext* context,
                                       const admin::v1::UpdateNodeRequest* request,
                                       admin::v1::NodeMutation* response) override;
  grpc::ServerUnaryReactor* DeleteNode(grpc::CallbackServerContext* context,
                                       const admin::v1::DeleteNodeRequest* request,
                                       admin::v1::NodeMutation* response) override;
  grpc::ServerWriteReactor<admin::v1::Node>* WatchNodes(
      grpc::CallbackServerContext* context, const admin::v1::ListNodesRequest* request) override;

 private:
  AdminCalls& calls_;
};

}  // namespace adit::hub
