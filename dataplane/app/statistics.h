#pragma once

#include <string>

#include "dataplane/shard/counters.h"

namespace adit::app {

// What a device did, for the line it logs when it ends: "name=count" apart by spaces, the names
// fixed, since scripts read them. First what moved, then how often a socket was not ready
// (suspends_ipv4, suspends_ipv6), then drop_<reason> for every reason that occurred: no drop_ means
// that nothing was dropped.
[[nodiscard]] std::string StatisticsText(const shard::ShardCounters& counters);

}  // namespace adit::app
