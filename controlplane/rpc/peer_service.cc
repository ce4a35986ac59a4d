#include "controlplane/rpc/peer_service.h"

#include "controlplane/model/peers.h"
#include "controlplane/rpc/admin_records.h"
#include "controlplane/rpc/missing.h"
#include "controlplane/rpc/page.h"
#include "controlplane/rpc/update_mask.h"

namespace adit::hub {

void PeerService::FillWithExport(const model::State& state, const std::string& name,
                                 admin::v1::PeerMutation* response) const {
  const model::Peer& peer = *state.FindPeer(name);
  calls_.hub().FillPeer(state, peer, response->mutable_peer());
  if (!FillExport(state, peer, response->mutable_export_()).ok()) {
    response->clear_export_();
  }
}

grpc::ServerUnaryReactor* PeerService::CreatePeer(grpc::CallbackServerContext* context,
                                                  const admin::v1::CreatePeerRequest* request,
                                                  admin::v1::PeerMutation* response) {
  return calls_.Mutate(
      context, "CreatePeer", request, response,
      [=](const model::State& state, WallTime now) {
        const admin::v1::Peer& peer = request->peer();
        model::PeerCreate create;
        create.name = peer.name();
        create.public_key = peer.public_key();
        create.node = peer.node();
        if (request->has_preshared_key()) {
          create.preshared_key = request->preshared_key();
        }
        if (peer.has_endpoint()) {
          create.endpoint = peer.endpoint();
        }
        if (peer.has_keepalive()) {
          create.keepalive = peer.keepalive();
        }
        return model::CreatePeer(state, create, now);
      },
      [this, request, response](const model::State& state) {
        FillWithExport(state, request->peer().name(), response);
      });
}

grpc::ServerUnaryReactor* PeerService::GetPeer(grpc::CallbackServerContext* context,
                                               const admin::v1::GetPeerRequest* request,
                                               admin::v1::Peer* response) {
  return calls_.Read(context, [=](const Hub& hub) {
    const model::Peer* peer = hub.state().FindPeer(request->name());
    if (peer == nullptr) {
      return Missing("peer", request->name());
    }
    hub.FillPeer(hub.state(), *peer, response);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* PeerService::ListPeers(grpc::CallbackServerContext* context,
                                                 const admin::v1::ListPeersRequest* request,
                                                 admin::v1::ListPeersResponse* response) {
  return calls_.Read(context, [=](const Hub& hub) -> absl::Status {
    ASSIGN_OR_RETURN(*response->mutable_next_page_token(),
                     ListPage(hub.state().peers(), request->page_size(), request->page_token(),
                              [&](const model::Peer& peer) {
                                hub.FillPeer(hub.state(), peer, response->add_peers());
                              }));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* PeerService::UpdatePeer(grpc::CallbackServerContext* context,
                                                  const admin::v1::UpdatePeerRequest* request,
                                                  admin::v1::PeerMutation* response) {
  return calls_.Mutate(
      context, "UpdatePeer", request, response,
      [=](const model::State& state, WallTime) -> absl::StatusOr<model::Change> {
        const admin::v1::Peer& peer = request->peer();
        ASSIGN_OR_RETURN(const auto meant,
                         MeantFields(request->update_mask(), {{"endpoint", peer.has_endpoint()},
                                                              {"keepalive", peer.has_keepalive()},
                                                              {"node", !peer.node().empty()}}));
        model::PeerUpdate update;
        update.name = peer.name();
        update.etag = peer.etag();
        if (meant.contains("endpoint")) {
          update.endpoint.emplace();
          if (peer.has_endpoint()) {
            *update.endpoint = peer.endpoint();
          }
        }
        if (meant.contains("keepalive")) {
          update.keepalive.emplace();
          if (peer.has_keepalive()) {
            *update.keepalive = peer.keepalive();
          }
        }
        if (meant.contains("node")) {
          update.node = peer.node();
        }
        return model::UpdatePeer(state, update);
      },
      [this, request, response](const model::State& state) {
        calls_.hub().FillPeer(state, *state.FindPeer(request->peer().name()),
                              response->mutable_peer());
      });
}

grpc::ServerUnaryReactor* PeerService::DeletePeer(grpc::CallbackServerContext* context,
                                                  const admin::v1::DeletePeerRequest* request,
                                                  admin::v1::PeerMutation* response) {
  return calls_.Mutate(
      context, "DeletePeer", request, response,
      [this, request, response](const model::State& state, WallTime) {
        if (const model::Peer* peer = state.FindPeer(request->name())) {
          calls_.hub().FillPeer(state, *peer, response->mutable_peer());
        }
        return model::DeletePeer(state, request->name(), request->etag());
      },
      [](const model::State&) {});
}

grpc::ServerUnaryReactor* PeerService::RotatePeer(grpc::CallbackServerContext* context,
                                                  const admin::v1::RotatePeerRequest* request,
                                                  admin::v1::PeerMutation* response) {
  return calls_.Mutate(
      context, "RotatePeer", request, response,
      [=](const model::State& state, WallTime) {
        model::PeerRotate rotate;
        rotate.name = request->name();
        rotate.etag = request->etag();
        rotate.public_key = request->public_key();
        if (request->has_preshared_key()) {
          rotate.preshared_key = request->preshared_key();
        }
        rotate.remove_preshared_key = request->remove_preshared_key();
        return model::RotatePeer(state, rotate);
      },
      [this, request, response](const model::State& state) {
        FillWithExport(state, request->name(), response);
      });
}

grpc::ServerUnaryReactor* PeerService::ExportPeer(grpc::CallbackServerContext* context,
                                                  const admin::v1::ExportPeerRequest* request,
                                                  admin::v1::PeerExport* response) {
  return calls_.Change(context,
                       [=](const model::State& state, WallTime) -> absl::StatusOr<model::Change> {
                         const model::Peer* peer = state.FindPeer(request->name());
                         if (peer == nullptr) {
                           return Missing("peer", request->name());
                         }
                         RETURN_IF_ERROR(FillExport(state, *peer, response));
                         return model::RecordExport(state, request->name());
                       });
}

}  // namespace adit::hub
