#include "controlplane/rpc/hub_servers.h"

#include <chrono>
#include <utility>

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/server_builder.h>

#include "common/status.h"

namespace adit::hub {
namespace {

// What gRPC may take to end the calls that are under way; Hub::Stop has answered all of ours.
constexpr auto kShutdownGrace = std::chrono::milliseconds(200);
// A Hello or statistics of as many peers as a data plane may have.
constexpr int kMaxFromDataplane = 16 << 20;
constexpr int kMaxStreamsPerConnection = 256;

// Reflection is linked in, and then every server builder of the process has it.
class WithoutPlugins final : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments* /*arguments*/) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    plugins->clear();
  }
};

void SetHealth(grpc::Server& server, bool is_serving) {
  grpc::HealthCheckServiceInterface* health = server.GetHealthCheckService();
  health->SetServingStatus("liveness", is_serving);
  health->SetServingStatus("readiness", is_serving);
  health->SetServingStatus("", is_serving);
}

}  // namespace

HubServers::HubServers(const Clock& clock, store::Store& store, model::State state,
                       const HubLimits& limits)
    : clock_(clock),
      thread_(clock_, limits.max_waiting_calls),
      hub_(clock_, store, std::move(state), limits),
      calls_(thread_, hub_),
      nodes_(calls_),
      peers_(calls_),
      resources_(calls_),
      policies_(calls_),
      system_(calls_),
      dataplane_(thread_, hub_.links(), limits.dataplane.max_sessions) {}

absl::StatusOr<std::unique_ptr<HubServers>> HubServers::Start(const HubSockets& sockets,
                                                              const Clock& clock,
                                                              store::Store& store,
                                                              model::State state,
                                                              const HubLimits& limits) {
  std::unique_ptr<HubServers> servers(new HubServers(clock, store, std::move(state), limits));
  RETURN_IF_ERROR(servers->Listen(sockets));
  return servers;
}

absl::Status HubServers::Listen(const HubSockets& sockets) {
  ASSIGN_OR_RETURN(admin_listener_,
                   channel::UnixListener::Open(sockets.admin_address, sockets.admin_uids));
  ASSIGN_OR_RETURN(dataplane_listener_,
                   channel::UnixListener::Open(sockets.dataplane_address, sockets.dataplane_uids));

  // gRPC knows these two only as settings of the process; the data planes' server gets neither.
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder admin;
  admin.RegisterService(&nodes_);
  admin.RegisterService(&peers_);
  admin.RegisterService(&resources_);
  admin.RegisterService(&policies_);
  admin.RegisterService(&system_);
  admin.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsPerConnection);
  admin_server_ = admin.BuildAndStart();
  grpc::EnableDefaultHealthCheckService(false);

  grpc::ServerBuilder dataplane;
  dataplane.SetOption(std::make_unique<WithoutPlugins>());
  dataplane.RegisterService(&dataplane_);
  dataplane.SetMaxReceiveMessageSize(kMaxFromDataplane);
  dataplane.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsPerConnection);
  dataplane_server_ = dataplane.BuildAndStart();
  if (admin_server_ == nullptr || dataplane_server_ == nullptr) {
    return Internal("gRPC could not start a server; its log lines say why");
  }

  thread_.Start([this] { return hub_.Turn(); });
  admin_listener_->ServeWith(*admin_server_);
  dataplane_listener_->ServeWith(*dataplane_server_);
  SetHealth(*admin_server_, true);
  return absl::OkStatus();
}

HubServers::~HubServers() { Stop(); }

void HubServers::SetStatsInterval(std::uint32_t seconds) {
  thread_.Post([this, seconds] { hub_.links().SetStatsInterval(seconds); });
}

void HubServers::Stop() {
  if (std::exchange(is_stopped_, true)) {
    return;
  }
  if (admin_server_ != nullptr) {
    SetHealth(*admin_server_, false);
  }
  // No new connections; then no new work; then what is under way ends, with the model thread there
  // to end it.
  admin_listener_.reset();
  dataplane_listener_.reset();
  thread_.Post([this] { hub_.Stop(); });
  for (const auto& server : {admin_server_.get(), dataplane_server_.get()}) {
    if (server != nullptr) {
      server->Shutdown(std::chrono::system_clock::now() + kShutdownGrace);
    }
  }
  thread_.Stop();
}

}  // namespace adit::hub
