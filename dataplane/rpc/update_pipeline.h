#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>

#include "adit/dataplane/v1/control.pb.h"
#include "common/time.h"
#include "dataplane/rpc/answers.h"
#include "dataplane/rpc/desired_state.h"
#include "dataplane/rpc/enforcer.h"
#include "dataplane/rpc/expiry_clock.h"
#include "dataplane/rpc/snapshot_assembler.h"
#include "dataplane/state/view_store.h"

namespace adit::rpc {

// The life of an update: judged whole, on disk, in force, answered; in this order, so that what is
// acknowledged survives a kill at any instant.
//
// When the disk fails, what only gives is refused. What takes away is enforced all the same: the
// state is taken off the disk, so that a restart denies everything rather than bring a revoked
// grant back; if even that fails the packets are refused, but the change is not acknowledged.
//
// Thread: one at a time. Everything borrowed outlives it.
class UpdatePipeline {
 public:
  UpdatePipeline(const Limits& limits, state::ViewStore& store, Enforcer& enforcer,
                 const Clock& clock);

  // Puts what was on disk into force. `last_known`: the latest wall time any state file records.
  // An error: left-over state that must not come back could not be taken off the disk.
  [[nodiscard]] absl::Status Restore(std::optional<state::StoredView> view, WallTime last_known);

  // The answer; none for a chunk that more follow.
  [[nodiscard]] std::optional<Outgoing> Handle(adit::dataplane::v1::Snapshot&& chunk);
  [[nodiscard]] Outgoing Handle(adit::dataplane::v1::Delta&& delta);
  // The hub's clock, in nanoseconds since 1970; anything not above zero says nothing.
  void HubSpoke(std::int64_t hub_now_unix_ns);
  // The stream ended: half a snapshot is forgotten.
  void StreamEnded() { assembler_.Reset(); }

  // Every second or so: deadlines follow steps of the clock. Appends what is to be told: grants
  // that ended, faults.
  void Observe(std::vector<Outgoing>& events);
  // After the answer is on its way: what may take a while.
  void CompactIfNeeded() { store_.CompactIfNeeded(); }

  [[nodiscard]] const DesiredState& state() const { return desired_; }

 private:
  [[nodiscard]] Outgoing Finish(std::uint64_t nonce, std::uint64_t revision,
                                DesiredState::Outcome outcome, Now began);
  // OK: on disk, or (for what takes away) off it.
  [[nodiscard]] absl::Status MakeDurable(const PreparedChange& change);
  [[nodiscard]] absl::Status Record(const PreparedChange& change);
  void Enforce(const PreparedChange& change);
  void GiveDeadlinesAgain();
  void Fault(std::string_view code, std::string text);

  state::ViewStore& store_;
  Enforcer& enforcer_;
  const Clock& clock_;
  ExpiryClock expiry_;
  SnapshotAssembler assembler_;
  DesiredState desired_;
  std::optional<HostConfig> applied_host_;
  // The shards enforce less than desired_ says: see above.
  bool is_narrower_ = false;
  bool is_disk_failing_ = false;  // said once
  bool is_withdrawn_ = false;     // said once, until it can be recorded again
  std::string noted_refusal_;     // said once
  WallTime expired_until_;        // grants that end up to here were told
  std::vector<Outgoing> faults_;
};

}  // namespace adit::rpc
