#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "common/mutex.h"
#include "dataplane/host/host_setup.h"
#include "dataplane/rpc/enforcer.h"
#include "dataplane/rpc/sync_client.h"
#include "dataplane/shard/group.h"

namespace adit::app {

// Puts views into force: the engines of all shards, and the host. Once a shard has ended it passes
// nothing, so everything is in force there.
//
// Thread: as the Enforcer says; Reevaluate from any other as well. Borrows the shards.
class RunEnforcer final : public rpc::Enforcer {
 public:
  RunEnforcer(shard::ShardGroup& shards, host::HostSetup host,
              std::vector<IpPrefix> allowed_routes);

  // Who hears of the host's problems, in full, when they change. Called by the thread that found
  // them; hears the present ones at once.
  void TellProblems(std::function<void(const std::vector<rpc::HostProblem>&)> listener);

  // The host as it is when nothing was asked of it, unless a view has asked already.
  void ApplyEmptyHostIfNone();
  // Routes or addresses of the host changed, or what keeps traffic from passing may have been
  // cured. False: the process may open too few files to look; try again.
  [[nodiscard]] bool Reevaluate();
  [[nodiscard]] bool has_problems();
  // Somebody deleted the interface: makes it again, as it was. An error: nothing can pass any more.
  [[nodiscard]] absl::Status RemakeInterface();
  // Takes back what was done to the host, the interface included.
  [[nodiscard]] absl::Status RemoveFromHost();

  // --- Enforcer
  [[nodiscard]] std::optional<rpc::Problem> CheckInterface(
      const rpc::InterfaceObject& interface) override;
  void ApplyHost(const rpc::HostConfig& config) override;
  [[nodiscard]] bool Apply(const engine::Update& update) override;
  void Restore(const std::vector<engine::PeerMemory>& memories, WallTime timestamp_mark) override;
  void AppendReports(std::vector<engine::PeerReport>& out) override;
  [[nodiscard]] engine::Counters Counters() override;
  [[nodiscard]] WallTime GreatestTimestamp() override;

 private:
  void NoteApplied(const absl::Status& applied) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PublishProblems() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  shard::ShardGroup& shards_;
  const std::vector<IpPrefix> allowed_routes_;

  Mutex mutex_;
  host::HostSetup host_ ABSL_GUARDED_BY(mutex_);
  bool has_applied_host_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<rpc::HostProblem> interface_problem_ ABSL_GUARDED_BY(mutex_);
  std::vector<rpc::HostProblem> problems_ ABSL_GUARDED_BY(mutex_);
  std::function<void(const std::vector<rpc::HostProblem>&)> listener_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace adit::app
