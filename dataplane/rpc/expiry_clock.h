#pragma once

#include <optional>

#include "common/time.h"

namespace adit::rpc {

// Turns the wall-clock end of a grant into a deadline on the boot clock, in the hub's time.
//
// The deadline is the earlier of what the hub's clock says (received + expires_at − hub's now) and
// what the own wall clock says. Steps of the own clock can only make it earlier until the hub
// speaks again. After a start from disk with a wall clock that shows a time before the files'
// own, it is not known how much time has passed: every deadline is past until the hub speaks.
//
// Thread: one at a time.
class ExpiryClock {
 public:
  // The hub said its time was `hub_now` when the own clocks showed `now`.
  void HubSpoke(WallTime hub_now, Now now);
  // `last_known`: the latest own wall time any state file records. `hub_ahead`: how far the hub's
  // clock was ahead of the own when it last spoke.
  void StartFromDisk(WallTime last_known, Duration hub_ahead, Now now);
  // Looks at the own clock, for steps.
  void Observe(Now now);

  [[nodiscard]] Instant DeadlineOf(std::optional<WallTime> expires_at) const;
  // The time that deadlines are judged by; nothing when it is not known.
  [[nodiscard]] std::optional<WallTime> TimeAt(Instant boot) const;

  // Deadlines given out since the last call with `true` differ by more than a deadline may be off.
  // The caller gives them out again.
  [[nodiscard]] bool TakeMoved();

 private:
  // Wall time minus boot time; the larger, the earlier all deadlines.
  Duration offset_{0};
  bool is_time_known_ = false;
  Duration given_out_offset_{0};
  bool given_out_known_ = false;
};

}  // namespace adit::rpc
