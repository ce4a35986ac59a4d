#pragma once

#include <memory>
#include <vector>

#include <absl/container/flat_hash_set.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/key.h"
#include "common/time.h"
#include "dataplane/engine/config.h"
#include "dataplane/engine/report.h"
#include "dataplane/state/directory.h"
#include "dataplane/state/peer_memory.h"
#include "dataplane/state/timestamp_mark.h"

namespace adit::rpc {

// What a restart has to know besides the view, so that it can speak first even to a client behind
// NAT and even after its clock was set back: peers' endpoints, recent activity and greatest
// timestamps, and a mark that no timestamp of ours has exceeded.
//
// Thread: one at a time.
class RestartMemory {
 public:
  // The directory outlives it. Damaged files are logged and begun anew; an error means the files
  // cannot be read or written.
  static absl::StatusOr<std::unique_ptr<RestartMemory>> Open(const state::StateDirectory& directory,
                                                             Now now);

  [[nodiscard]] const std::vector<engine::PeerMemory>& peers() const { return remembered_; }
  [[nodiscard]] WallTime timestamp_mark() const { return restored_mark_; }
  // The latest own wall time that a file records.
  [[nodiscard]] WallTime last_known() const { return last_known_; }

  // Once a second: `greatest` is the greatest timestamp handed out so far. The mark first, because
  // it is written ahead by more than a few seconds only.
  void Save(const std::vector<engine::PeerReport>& reports, WallTime greatest, Now now);

 private:
  RestartMemory(state::PeerMemory peers, state::TimestampMark mark)
      : peer_file_(std::move(peers)), mark_file_(std::move(mark)) {}
  [[nodiscard]] bool IsActive(const engine::PeerReport& report, Now now) const;

  state::PeerMemory peer_file_;
  state::TimestampMark mark_file_;
  std::vector<engine::PeerMemory> remembered_;
  absl::flat_hash_set<PublicKey> active_before_;
  Instant started_;
  WallTime restored_mark_;
  WallTime last_known_;
  bool is_failing_ = false;  // said once
};

}  // namespace adit::rpc
