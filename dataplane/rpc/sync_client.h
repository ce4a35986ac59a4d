#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "common/key.h"
#include "common/time.h"
#include "dataplane/rpc/enforcer.h"
#include "dataplane/rpc/object.h"
#include "dataplane/state/directory.h"

namespace adit::rpc {

// A setting of the host that keeps traffic from passing, and what to do.
struct HostProblem {
  std::string setting;
  std::string remedy;
  friend bool operator==(const HostProblem&, const HostProblem&) = default;
};

struct SyncOptions {
  std::string channel;                   // "unix:/run/adit/dataplane.sock"
  std::vector<uid_t> controlplane_uids;  // whose listener it may be
  // What Hello says.
  std::string node_name;
  std::optional<std::string> advertise;  // HOST:PORT
  std::vector<std::uint16_t> listen_ports;
  std::uint32_t mtu = 0;

  Limits limits;                          // own_key included
  Duration stats_interval = seconds(10);  // until the control plane sets another; 0: none
};

// The data plane's end of the channel: keeps the state of the state directory in force, with or
// without a control plane, and follows the control plane's changes while it is there.
//
//   auto client = SyncClient::Restore(directory, options, enforcer, clock);  // deny until here
//   …packets may flow…
//   (*client)->Start();
//   …
//   (*client)->Stop();
//
// Threads of its own: one connects and reads, one writes, one puts into force (validates, persists,
// calls the Enforcer, ends grants), one reports (Reporter). The public functions belong to one
// thread, except the Set* ones: any.
class SyncClient {
 public:
  // Reads the state files and puts what they hold into force: the view, its grants' deadlines,
  // peers' endpoints and timestamps, our own timestamp mark. Damaged files mean "deny everything
  // until the control plane sends a snapshot" and are logged, no error; files that cannot be read
  // or written are an error. Everything borrowed outlives the client.
  static absl::StatusOr<std::unique_ptr<SyncClient>> Restore(const state::StateDirectory& directory,
                                                             SyncOptions options,
                                                             Enforcer& enforcer,
                                                             const Clock& clock);
  virtual ~SyncClient() = default;  // Stop()s

  // Begins to connect, and to do so again for ever.
  virtual void Start() = 0;
  // Saves what a restart should know and ends the threads; returns within a second even when the
  // control plane hangs. The view stays in force and on disk.
  virtual void Stop() = 0;

  // In full; an empty list means all are gone. Sent in the next Hello, or at once as an event.
  virtual void SetHostProblems(std::vector<HostProblem> problems) = 0;
  virtual void SetStatsInterval(Duration interval) = 0;

  struct Status {
    bool is_connected = false;
    std::string epoch;
    std::uint64_t revision = 0;
  };
  [[nodiscard]] virtual Status GetStatus() const = 0;
};

}  // namespace adit::rpc
