#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <absl/container/flat_hash_set.h>
#include <absl/status/status.h>

#include "controlplane/model/change.h"
#include "controlplane/model/nodes.h"
#include "controlplane/model/state.h"
#include "controlplane/model/view_delta.h"
#include "controlplane/rpc/dataplane_session.h"
#include "controlplane/rpc/node_link.h"

namespace adit::hub {

struct DataplaneLimits {
  sync::SyncLimits sync{.ping_interval = seconds(1), .pong_timeout = seconds(5)};
  Duration hello_timeout = seconds(5);
  std::uint32_t stats_interval_seconds = 5;
  std::size_t max_sessions = 1024;
};

// Every node's link: lets data planes in, brings changes of their views to them and knows what came
// of it. A slow data plane delays only itself: what it has not taken waits in its own NodeSync.
//
// Thread: the model thread. Borrows the state, the clock and the sessions.
class DataplaneLinks final : public DataplaneSessionOwner {
 public:
  // Makes the state's record of a data plane that said Hello; a refusal is told to it.
  using Register = std::function<absl::Status(const model::NodeHello&)>;

  // Begins with a link for every node of the state, none connected.
  DataplaneLinks(const model::State& state, const Clock& clock, const DataplaneLimits& limits,
                 Register register_node);

  // A change that the state already has: `nodes` as it was in the change, `deltas` as ApplyChange
  // returned them.
  void Distribute(const model::Change::Of<model::Node>& nodes,
                  const std::vector<model::NodeDelta>& deltas);

  // nullptr when the state has no such node.
  [[nodiscard]] const NodeLink* Find(std::string_view node) const;
  [[nodiscard]] const std::map<std::string, std::unique_ptr<NodeLink>, std::less<>>& all() const {
    return links_;
  }

  // What is due, and sends. Returns when to be called again.
  Instant Turn(const Now& now);
  // Nodes of which something that FillNode or OutcomeFor tells has changed since the last call.
  [[nodiscard]] std::set<std::string, std::less<>> TakeChanged();
  // How often data planes report; 0: never. Those that are connected are told at once.
  void SetStatsInterval(std::uint32_t seconds);
  // Ends every stream.
  void CloseAll(const std::string& why);

  void HandleOpened(DataplaneSession& session) override;
  void HandleMessage(DataplaneSession& session,
                     const dataplane::v1::FromDataplane& message) override;
  void HandleWritten(DataplaneSession& session) override;
  void HandleEnded(DataplaneSession& session) override;
  void HandleGone(DataplaneSession& session) override;

 private:
  // The hub's time, and how often to report.
  void Greet(NodeLink& link, const Now& now) const;
  void AddLink(const std::string& node, const Now& now);
  void HandleHello(DataplaneSession& session, const dataplane::v1::Hello& hello);
  void Refuse(DataplaneSession& session, const std::string& node, const std::string& reason,
              const std::string& text);
  void HandleEvent(NodeLink& link, const std::string& node, const dataplane::v1::Event& event);
  void HandleStats(NodeLink& link, const std::string& node, const dataplane::v1::Stats& stats);
  [[nodiscard]] const model::Peer* PeerOf(const std::string& node,
                                          const std::string& public_key) const;
  void Detach(NodeLink& link, const std::string& node, const Now& now);
  // The data plane is not heard of: its stream is of no use any more.
  void GiveUp(NodeLink& link, const std::string& node, const Now& now);
  void Pump(NodeLink& link, const std::string& node, const Now& now);

  const model::State& state_;
  const Clock& clock_;
  const DataplaneLimits limits_;
  const Register register_node_;
  std::uint32_t stats_interval_seconds_;
  std::map<std::string, std::unique_ptr<NodeLink>, std::less<>> links_;
  absl::flat_hash_set<DataplaneSession*> sessions_;
  std::set<std::string, std::less<>> changed_;
};

}  // namespace adit::hub
