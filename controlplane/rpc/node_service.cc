#include "controlplane/rpc/node_service.h"

#include <fmt/format.h>

#include "controlplane/model/nodes.h"
#include "controlplane/rpc/missing.h"
#include "controlplane/rpc/page.h"
#include "controlplane/rpc/update_mask.h"

namespace adit::hub {

grpc::ServerUnaryReactor* NodeService::GetNode(grpc::CallbackServerContext* context,
                                               const admin::v1::GetNodeRequest* request,
                                               admin::v1::Node* response) {
  return calls_.Read(context, [=](const Hub& hub) {
    const model::Node* node = hub.state().FindNode(request->name());
    if (node == nullptr) {
      return Missing("node", request->name());
    }
    hub.FillNode(hub.state(), *node, response);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* NodeService::ListNodes(grpc::CallbackServerContext* context,
                                                 const admin::v1::ListNodesRequest* request,
                                                 admin::v1::ListNodesResponse* response) {
  return calls_.Read(context, [=](const Hub& hub) -> absl::Status {
    ASSIGN_OR_RETURN(*response->mutable_next_page_token(),
                     ListPage(hub.state().nodes(), request->page_size(), request->page_token(),
                              [&](const model::Node& node) {
                                hub.FillNode(hub.state(), node, response->add_nodes());
                              }));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* NodeService::UpdateNode(grpc::CallbackServerContext* context,
                                                  const admin::v1::UpdateNodeRequest* request,
                                                  admin::v1::NodeMutation* response) {
  return calls_.Mutate(
      context, "UpdateNode", request, response,
      [=](const model::State& state, WallTime) -> absl::StatusOr<model::Change> {
        const admin::v1::Node& node = request->node();
        ASSIGN_OR_RETURN(const auto meant, MeantFields(request->update_mask(),
                                                       {{"public_key", !node.public_key().empty()},
                                                        {"advertise", !node.advertise().empty()}}));
        model::NodeUpdate update;
        update.name = node.name();
        update.etag = node.etag();
        if (meant.contains("public_key")) {
          update.public_key = node.public_key();
        }
        if (meant.contains("advertise")) {
          update.advertise = node.advertise();
        }
        return model::UpdateNode(state, update);
      },
      [this, request, response](const model::State& state) {
        calls_.hub().FillNode(state, *state.FindNode(request->node().name()),
                              response->mutable_node());
      });
}

grpc::ServerUnaryReactor* NodeService::DeleteNode(grpc::CallbackServerContext* context,
                                                  const admin::v1::DeleteNodeRequest* request,
                                                  admin::v1::NodeMutation* response) {
  return calls_.Mutate(
      context, "DeleteNode", request, response,
      [this, request, response](const model::State& state,
                                WallTime) -> absl::StatusOr<model::Change> {
        if (const model::Node* node = state.FindNode(request->name())) {
          calls_.hub().FillNode(state, *node, response->mutable_node());
        }
        return model::DeleteNode(state, request->name(), request->etag());
      },
      [](const model::State&) {});
}

grpc::ServerWriteReactor<admin::v1::Node>* NodeService::WatchNodes(
    grpc::CallbackServerContext* /*context*/, const admin::v1::ListNodesRequest* /*request*/) {
  Hub& hub = calls_.hub();
  auto* watch = new NodeWatch(calls_.thread(), hub);  // deletes itself
  calls_.thread().Post([watch, &hub] {
    if (!hub.AddWatch(*watch)) {
      watch->Close({grpc::StatusCode::RESOURCE_EXHAUSTED,
                    "too many watches, or the control plane is stopping"});
    }
  });
  return watch;
}

}  // namespace adit::hub
