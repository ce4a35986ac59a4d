#pragma once

#include <thread>
#include <vector>

#include "common/mutex.h"
#include "common/time.h"
#include "dataplane/engine/report.h"
#include "dataplane/rpc/enforcer.h"
#include "dataplane/rpc/outbox.h"
#include "dataplane/rpc/peer_watch.h"
#include "dataplane/rpc/restart_memory.h"

namespace adit::rpc {

// Looks at the peers once a second, and while no packet comes or goes every ten: saves what a
// restart should know, tells the hub of sessions and paths that changed, and sends it statistics. A
// thread of its own, because with thousands of peers a look takes milliseconds that an update
// should not wait for.
//
// Start and Stop belong to one thread; the others: any.
class Reporter {
 public:
  // Everything borrowed outlives it.
  Reporter(Enforcer& enforcer, const Clock& clock, RestartMemory& memory, Outbox& outbox,
           Duration stats_interval)
      : enforcer_(enforcer),
        clock_(clock),
        memory_(memory),
        outbox_(outbox),
        stats_interval_(stats_interval) {}
  ~Reporter() { Stop(); }
  Reporter(const Reporter&) = delete;
  Reporter& operator=(const Reporter&) = delete;

  void Start();
  // Ends the thread and saves once more.
  void Stop();

  // 0: none.
  void SetStatsInterval(Duration interval);
  // The first statistics of a stream come an interval after this.
  void StreamBegan();

 private:
  void Work();
  void Look(Now now, bool are_stats_due);
  void Save();
  [[nodiscard]] bool HasAnythingMoved();
  [[nodiscard]] bool AreStatsDue(Instant now);

  Enforcer& enforcer_;
  const Clock& clock_;
  RestartMemory& memory_;
  Outbox& outbox_;
  PeerWatch watch_;
  engine::Counters last_counters_;
  std::vector<engine::PeerReport> reports_;  // of the last second; megabytes, so not made each time

  Mutex mutex_;
  CondVar changed_;
  bool is_stopping_ ABSL_GUARDED_BY(mutex_) = false;
  Duration stats_interval_ ABSL_GUARDED_BY(mutex_);
  Instant last_stats_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace adit::rpc
