#pragma once

#include <optional>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "common/ip_address.h"
#include "common/key.h"
#include "dataplane/engine/report.h"
#include "dataplane/rpc/answers.h"

namespace adit::rpc {

// Finds in consecutive reports what a hub wants to be told: sessions that came up or ended, paths
// that changed, trains that arrive garbled (engine/garbled_trains.h). At most kMaxEvents at a time;
// the rest is found the next time.
class PeerWatch {
 public:
  static constexpr std::size_t kMaxEvents = 256;
  void Compare(const std::vector<engine::PeerReport>& reports, WallTime now,
               std::vector<Outgoing>& events);

 private:
  struct Seen {
    bool is_up = false;
    std::optional<Endpoint> endpoint;
    std::uint32_t garbled_trains = 0;
    std::uint64_t round = 0;
  };
  absl::flat_hash_map<PublicKey, Seen> seen_;
  std::uint64_t round_ = 0;
};

}  // namespace adit::rpc
