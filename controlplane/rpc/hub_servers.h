#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include <absl/status/statusor.h>
#include <grpcpp/server.h>

#include "common/channel/unix_listener.h"
#include "controlplane/rpc/admin_calls.h"
#include "controlplane/rpc/dataplane_service.h"
#include "controlplane/rpc/hub.h"
#include "controlplane/rpc/model_thread.h"
#include "controlplane/rpc/node_service.h"
#include "controlplane/rpc/peer_service.h"
#include "controlplane/rpc/policy_service.h"
#include "controlplane/rpc/resource_service.h"
#include "controlplane/rpc/system_service.h"

namespace adit::hub {

struct HubSockets {
  std::string admin_address;  // "unix:/run/adit/admin.sock"
  std::vector<uid_t> admin_uids;
  std::string dataplane_address;
  std::vector<uid_t> dataplane_uids;
};

// The hub with its model thread and its two gRPC servers, one for each privilege domain: a caller
// of one never reaches the methods of the other.
//
// The admin server also has reflection and grpc.health.v1 with the services "liveness" and
// "readiness" (and "", which is readiness). Thread: one owner. Borrows clock and store; the state
// is the store's.
class HubServers {
 public:
  // Both sockets listen when it returns. Errors name the socket and the remedy.
  static absl::StatusOr<std::unique_ptr<HubServers>> Start(const HubSockets& sockets,
                                                           const Clock& clock, store::Store& store,
                                                           model::State state,
                                                           const HubLimits& limits = {});
  // As Stop.
  ~HubServers();
  HubServers(const HubServers&) = delete;
  HubServers& operator=(const HubServers&) = delete;

  // How often data planes report; 0: never. They are told at once.
  void SetStatsInterval(std::uint32_t seconds);

  // Answers whoever waits, ends every stream and closes the sockets. Idempotent.
  void Stop();

 private:
  HubServers(const Clock& clock, store::Store& store, model::State state, const HubLimits& limits);
  absl::Status Listen(const HubSockets& sockets);

  const Clock& clock_;
  ModelThread thread_;
  Hub hub_;
  AdminCalls calls_;
  NodeService nodes_;
  PeerService peers_;
  ResourceService resources_;
  PolicyService policies_;
  SystemService system_;
  DataplaneService dataplane_;
  std::unique_ptr<grpc::Server> admin_server_;
  std::unique_ptr<grpc::Server> dataplane_server_;
  std::unique_ptr<channel::UnixListener> admin_listener_;
  std::unique_ptr<channel::UnixListener> dataplane_listener_;
  bool is_stopped_ = false;
};

}  // namespace adit::hub
