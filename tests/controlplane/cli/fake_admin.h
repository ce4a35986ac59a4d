#pragma once

#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <grpcpp/channel.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "adit/admin/v1/node.grpc.pb.h"
#include "adit/admin/v1/peer.grpc.pb.h"
#include "adit/admin/v1/policy.grpc.pb.h"
#include "adit/admin/v1/resource.grpc.pb.h"
#include "adit/admin/v1/system.grpc.pb.h"
#include "controlplane/cli/aditctl.h"

namespace adit::cli {

// The admin API as a script: each mutation is remembered and answered with `status` and `result`,
// each reading call with what the test put here. In this process, without a socket.
struct FakeAdmin {
  grpc::Status status;                // of every call
  admin::v1::MutationResult result;   // of every mutation
  admin::v1::PeerExport exported;     // of create, rotate and export
  std::function<void()> during_call;  // runs before a mutation is answered
  std::vector<admin::v1::Node> nodes;
  std::vector<admin::v1::Peer> peers;
  int page_size = 1'000;  // of ListPeers

  admin::v1::CreatePeerRequest create_peer;
  admin::v1::RotatePeerRequest rotate_peer;
  admin::v1::UpdatePeerRequest update_peer;
  admin::v1::DeletePeerRequest delete_peer;
  admin::v1::CreateResourceRequest create_resource;
  admin::v1::UpdateResourceRequest update_resource;
  admin::v1::CreatePolicyRequest create_policy;
  admin::v1::UpdatePolicyRequest update_policy;
  admin::v1::UpdateNodeRequest update_node;
  int calls = 0;

  FakeAdmin() {
    result.set_revision(12);
    exported.add_addresses("100.64.0.2/32");
    exported.add_addresses("fd00:2021:1111::2/128");
    exported.set_mtu(1280);
    exported.set_gateway_public_key("AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=");
    exported.set_gateway_endpoint("203.0.113.2:51820");
    exported.add_allowed_ips("100.64.0.1/32");
    exported.add_allowed_ips("10.77.1.10/32");
    grpc::ServerBuilder builder;
    for (grpc::Service* service :
         std::initializer_list<grpc::Service*>{&peer_service_, &node_service_, &resource_service_,
                                               &policy_service_, &system_service_}) {
      builder.RegisterService(service);
    }
    server_ = builder.BuildAndStart();
  }
  ~FakeAdmin() { server_->Shutdown(std::chrono::system_clock::now()); }

  std::shared_ptr<grpc::Channel> Channel() { return server_->InProcessChannel({}); }

 private:
  using Context = grpc::ServerContext;
  template <typename Request, typename Mutation>
  grpc::Status Mutate(const Request* request, Request* remembered, Mutation* mutation) {
    ++calls;
    *remembered = *request;
    if (during_call) {
      during_call();
    }
    *mutation->mutable_result() = result;
    return status;
  }

  struct Peers final : admin::v1::PeerService::Service {
    explicit Peers(FakeAdmin& owner) : fake(owner) {}
    grpc::Status CreatePeer(Context*, const admin::v1::CreatePeerRequest* request,
                            admin::v1::PeerMutation* mutation) override {
      *mutation->mutable_peer() = request->peer();
      *mutation->mutable_export_() = fake.exported;
      return fake.Mutate(request, &fake.create_peer, mutation);
    }
    grpc::Status RotatePeer(Context*, const admin::v1::RotatePeerRequest* request,
                            admin::v1::PeerMutation* mutation) override {
      *mutation->mutable_export_() = fake.exported;
      return fake.Mutate(request, &fake.rotate_peer, mutation);
    }
    grpc::Status UpdatePeer(Context*, const admin::v1::UpdatePeerRequest* request,
                            admin::v1::PeerMutation* mutation) override {
      return fake.Mutate(request, &fake.update_peer, mutation);
    }
    grpc::Status DeletePeer(Context*, const admin::v1::DeletePeerRequest* request,
                            admin::v1::PeerMutation* mutation) override {
      return fake.Mutate(request, &fake.delete_peer, mutation);
    }
    grpc::Status GetPeer(Context*, const admin::v1::GetPeerRequest* request,
                         admin::v1::Peer* peer) override {
      for (const auto& known : fake.peers) {
        if (known.name() == request->name()) {
          *peer = known;
          return fake.status;
        }
      }
      return {grpc::StatusCode::NOT_FOUND, "there is no peer " + request->name()};
    }
    grpc::Status ListPeers(Context*, const admin::v1::ListPeersRequest* request,
                           admin::v1::ListPeersResponse* list) override {
      const std::size_t first =
          request->page_token().empty() ? 0 : std::stoul(request->page_token());
      const std::size_t end =
          std::min(fake.peers.size(), first + static_cast<std::size_t>(fake.page_size));
      for (std::size_t i = first; i < end; ++i) {
        *list->add_peers() = fake.peers[i];
      }
      list->set_next_page_token(end < fake.peers.size() ? std::to_string(end) : "");
      return fake.status;
    }
    grpc::Status ExportPeer(Context*, const admin::v1::ExportPeerRequest*,
                            admin::v1::PeerExport* exported) override {
      *exported = fake.exported;
      return fake.status;
    }
    FakeAdmin& fake;
  };
  struct Nodes final : admin::v1::NodeService::Service {
    explicit Nodes(FakeAdmin& owner) : fake(owner) {}
    grpc::Status UpdateNode(Context*, const admin::v1::UpdateNodeRequest* request,
                            admin::v1::NodeMutation* mutation) override {
      return fake.Mutate(request, &fake.update_node, mutation);
    }
    grpc::Status GetNode(Context*, const admin::v1::GetNodeRequest*,
                         admin::v1::Node* node) override {
      *node = fake.nodes.front();
      return fake.status;
    }
    grpc::Status WatchNodes(Context*, const admin::v1::ListNodesRequest*,
                            grpc::ServerWriter<admin::v1::Node>* writer) override {
      for (const auto& node : fake.nodes) {
        writer->Write(node);
      }
      return fake.status;
    }
    FakeAdmin& fake;
  };
  struct Resources final : admin::v1::ResourceService::Service {
    explicit Resources(FakeAdmin& owner) : fake(owner) {}
    grpc::Status CreateResource(Context*, const admin::v1::CreateResourceRequest* request,
                                admin::v1::ResourceMutation* mutation) override {
      return fake.Mutate(request, &fake.create_resource, mutation);
    }
    grpc::Status UpdateResource(Context*, const admin::v1::UpdateResourceRequest* request,
                                admin::v1::ResourceMutation* mutation) override {
      return fake.Mutate(request, &fake.update_resource, mutation);
    }
    FakeAdmin& fake;
  };
  struct Policies final : admin::v1::PolicyService::Service {
    explicit Policies(FakeAdmin& owner) : fake(owner) {}
    grpc::Status CreatePolicy(Context*, const admin::v1::CreatePolicyRequest* request,
                              admin::v1::PolicyMutation* mutation) override {
      return fake.Mutate(request, &fake.create_policy, mutation);
    }
    grpc::Status UpdatePolicy(Context*, const admin::v1::UpdatePolicyRequest* request,
                              admin::v1::PolicyMutation* mutation) override {
      return fake.Mutate(request, &fake.update_policy, mutation);
    }
    FakeAdmin& fake;
  };
  struct System final : admin::v1::SystemService::Service {
    explicit System(FakeAdmin& owner) : fake(owner) {}
    grpc::Status GetStatus(Context*, const admin::v1::GetStatusRequest*,
                           admin::v1::Status* answer) override {
      answer->set_version("0.1.0");
      answer->set_store("sqlite:/var/lib/adit/controlplane/adit.db");
      answer->set_revision(12);
      for (const auto& node : fake.nodes) {
        *answer->add_nodes() = node;
      }
      return fake.status;
    }
    FakeAdmin& fake;
  };

  Peers peer_service_{*this};
  Nodes node_service_{*this};
  Resources resource_service_{*this};
  Policies policy_service_{*this};
  System system_service_{*this};
  std::unique_ptr<grpc::Server> server_;
};

// A clock that stands still at 2026-01-02T03:04:05Z.
class StillClock final : public Clock {
 public:
  [[nodiscard]] Now Read() const override {
    return {.boot = Instant(seconds(100)), .wall = WallTime(seconds(kUnixSeconds))};
  }
  static constexpr std::int64_t kUnixSeconds = 1'767'323'045;
};

// aditctl against a FakeAdmin: what it printed, and its exit code.
class Terminal {
 public:
  explicit Terminal(FakeAdmin& fake) : fake_(fake) {}

  ExitCode Run(std::vector<std::string> args) {
    out_.str("");
    err_.str("");
    out_.clear();
    Surroundings world{
        .out = out_,
        .err = err_,
        .in = in,
        .environment = [](const char*) -> const char* { return nullptr; },
        .clock = clock_,
        .random = random_,
        .interrupt = interrupt,
        .dial = [this](const std::string&) -> absl::StatusOr<std::shared_ptr<grpc::Channel>> {
          return dial_error.ok() ? absl::StatusOr<std::shared_ptr<grpc::Channel>>(fake_.Channel())
                                 : dial_error;
        }};
    return RunAditctl(args, world);
  }
  [[nodiscard]] std::string out() const { return out_.str(); }
  [[nodiscard]] std::string err() const { return err_.str(); }

  std::istringstream in;
  absl::Status dial_error;
  Interrupt interrupt;

 private:
  FakeAdmin& fake_;
  std::ostringstream out_, err_;
  StillClock clock_;
  SystemRandom random_;
};

}  // namespace adit::cli
