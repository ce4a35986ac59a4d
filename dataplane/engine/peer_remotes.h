#pragma once

#include <cstddef>
#include <cstdint>

#include <absl/container/flat_hash_map.h>

#include "common/ip_address.h"
#include "common/mutex.h"

namespace adit::engine {

// How many peers are at an address and port (scope 0), of all shards: what tells our own datagrams,
// which a route leads back into the tunnel. Anybody behind us may send from our port number, and is
// not to make us look at every peer.
//
// Thread: any.
class PeerRemotes {
 public:
  // So that roaming of this many peers allocates nothing.
  void Reserve(std::size_t peers) {
    const MutexLock lock(mutex_);
    counts_.reserve(2 * peers);
  }
  // A peer moves; one that is not set: it was, or is, nowhere.
  void Replace(const Endpoint& before, const Endpoint& after) {
    const MutexLock lock(mutex_);
    const auto at = counts_.find({before.address, before.port});
    if (at != counts_.end() && --at->second == 0) {
      counts_.erase(at);
    }
    if (after.is_set()) {
      ++counts_[{after.address, after.port}];
    }
  }
  [[nodiscard]] bool Contains(const Endpoint& remote) const {
    const MutexLock lock(mutex_);
    return counts_.contains({remote.address, remote.port});
  }

 private:
  mutable Mutex mutex_;
  absl::flat_hash_map<Endpoint, std::uint32_t> counts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace adit::engine
