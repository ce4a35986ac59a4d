#pragma once

#include "adit/admin/v1/peer.grpc.pb.h"
#include "controlplane/rpc/admin_calls.h"

namespace adit::hub {

// adit.admin.v1.PeerService. Thread: gRPC's; everything runs through AdminCalls.
class PeerService final : public admin::v1::PeerService::CallbackService {
 public:
  explicit PeerService(AdminCalls& calls) : calls_(calls) {}

  grpc::ServerUnaryReactor* CreatePeer(grpc::CallbackServerContext* context,
                                       const admin::v1::CreatePeerRequest* request,
                                       admin::v1::PeerMutation* response) override;
  grpc::ServerUnaryReactor* GetPeer(grpc::CallbackServerContext* context,
                                    const admin::v1::GetPeerRequest* request,
                                    admin::v1::Peer* response) override;
  grpc::ServerUnaryReactor* ListPeers(grpc::CallbackServerContext* context,
                                      const admin::v1::ListPeersRequest* request,
                                      admin::v1::ListPeersResponse* response) override;
  grpc::ServerUnaryReactor* UpdatePeer(grpc::CallbackServerContext* context,
                                       const admin::v1::UpdatePeerRequest* request,
                                       admin::v1::PeerMutation* response) override;
  grpc::ServerUnaryReactor* DeletePeer(grpc::CallbackServerContext* context,
                                       const admin::v1::DeletePeerRequest* request,
                                       admin::v1::PeerMutation* response) override;
  grpc::ServerUnaryReactor* RotatePeer(grpc::CallbackServerContext* context,
                                       const admin::v1::RotatePeerRequest* request,
                                       admin::v1::PeerMutation* response) override;
  // Its file is out of date once resources are added; so the hub remembers that it was given out.
  grpc::ServerUnaryReactor* ExportPeer(grpc::CallbackServerContext* context,
                                       const admin::v1::ExportPeerRequest* request,
                                       admin::v1::PeerExport* response) override;

 private:
  // Without an export when clients cannot dial the peer's node.
  void FillWithExport(const model::State& state, const std::string& name,
                      admin::v1::PeerMutation* response) const;

  AdminCalls& calls_;
};

}  // namespace adit::hub
