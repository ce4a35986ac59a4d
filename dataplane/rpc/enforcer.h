#pragma once

#include <optional>
#include <span>
#include <vector>

#include "common/ip_address.h"
#include "common/time.h"
#include "dataplane/engine/config.h"
#include "dataplane/engine/report.h"
#include "dataplane/rpc/object.h"

namespace adit::rpc {

// A destination behind this data plane. With nat it sees the host's address, else the peer's.
struct ServedPrefix {
  IpPrefix prefix;
  bool nat = true;
  friend bool operator==(const ServedPrefix&, const ServedPrefix&) = default;
};

// What a view asks of the host: the data plane's own addresses and routes, and what it forwards to.
struct HostConfig {
  std::vector<IpPrefix> addresses;      // /32 and /128, on the interface
  std::vector<IpPrefix> tunnel_ranges;  // routed to the interface
  std::vector<ServedPrefix> served;     // of all resources; sorted, each prefix once
  friend bool operator==(const HostConfig&, const HostConfig&) = default;
};

// What puts a view into force: the shards and the host. The application implements it; tests fake
// it.
//
// Thread: the calls that change come from one thread at a time, the three that report from another
// at the same time. Each may block its thread until the work is done.
class Enforcer {
 public:
  virtual ~Enforcer() = default;

  // Would the host be given these addresses and routes? Judges only, changes nothing. A problem
  // becomes the refusal of the interface object.
  [[nodiscard]] virtual std::optional<Problem> CheckInterface(const InterfaceObject& interface) = 0;
  // Sets the host up. What does not work is the host's problem, told apart (SyncClient::
  // SetHostProblems): it never keeps an update from being applied.
  virtual void ApplyHost(const HostConfig& config) = 0;
  // Every shard enforces the update when this returns. False: some peer's key found no room in the
  // key arena; everything else is in force.
  [[nodiscard]] virtual bool Apply(const engine::Update& update) = 0;

  // After a restart, once the peers are applied: what the state files remember.
  virtual void Restore(const std::vector<engine::PeerMemory>& memories,
                       WallTime timestamp_mark) = 0;

  // --- that report
  // Activity is enough (engine::ReportDetail).
  virtual void AppendReports(std::vector<engine::PeerReport>& out) = 0;
  [[nodiscard]] virtual engine::Counters Counters() = 0;
  // No handshake timestamp made so far is greater.
  [[nodiscard]] virtual WallTime GreatestTimestamp() = 0;
};

}  // namespace adit::rpc
