#pragma once

#include <algorithm>
#include <vector>

#include "common/time.h"
#include "dataplane/engine/config.h"
#include "dataplane/engine/report.h"

namespace adit::sim {

// What a data plane keeps for a restart, as rpc::RestartMemory does with files: peers' endpoints,
// activity and greatest timestamps, and a mark written ahead of every timestamp of ours. Survives
// a crash; an old copy of the peers can come back instead (a disk restored from a backup).
class Disk {
 public:
  static constexpr Duration kMarkAhead = seconds(10);  // state::TimestampMark::kAhead
  static constexpr Duration kRecently = seconds(180);  // as long as a session may live

  struct Contents {
    std::vector<engine::PeerMemory> peers;
    WallTime mark;
  };

  // A process starts: what it reads. Before its first handshake the mark covers the clock again.
  [[nodiscard]] Contents Load(bool is_stale, Now now) {
    const Contents read = {is_stale ? old_ : contents_.peers, contents_.mark};
    contents_.peers = read.peers;
    started_ = now.boot;
    active_before_ = read.peers;
    CoverMark(std::max(now.wall, contents_.mark));
    return read;
  }

  // Once a second while anything happens.
  void Save(const std::vector<engine::PeerReport>& reports, WallTime greatest, Now now) {
    CoverMark(std::max(now.wall, greatest));
    if (now.boot >= next_copy_) {
      next_copy_ = now.boot + seconds(60);
      old_ = contents_.peers;
    }
    std::vector<engine::PeerMemory> peers;
    for (const engine::PeerReport& report : reports) {
      const bool was_heard_lately =
          report.last_data != Instant() && now.boot - report.last_data < kRecently;
      const bool may_still_wait =
          now.boot - started_ < kRecently &&
          std::ranges::any_of(active_before_, [&](const engine::PeerMemory& memory) {
            return memory.public_key == report.public_key && memory.was_active;
          });
      peers.push_back({report.public_key, report.endpoint, report.greatest_timestamp,
                       was_heard_lately || may_still_wait});
    }
    contents_.peers = std::move(peers);
  }

  [[nodiscard]] WallTime mark() const { return contents_.mark; }

 private:
  void CoverMark(WallTime time) {
    if (contents_.mark < time + kMarkAhead) {
      contents_.mark = time + kMarkAhead + kMarkAhead;
    }
  }

  Contents contents_;
  std::vector<engine::PeerMemory> old_;  // a minute old or more
  std::vector<engine::PeerMemory> active_before_;
  Instant started_;
  Instant next_copy_;
};

}  // namespace adit::sim
