#pragma once

#include "dataplane/engine/garbled_trains.h"
#include "dataplane/io/gso_send.h"

namespace adit::shard {

// Says what the kernel refused and what is done about it: INFO, and the address at DEBUG. Called
// for the first time of each kind only (DrainReport::refusals), so never per packet.
void LogRefusal(const io::RefusalEvent& event);

// WARN; for a peer at most once an hour.
void LogGarbledTrains(const engine::GarbledTrains& garbled);

}  // namespace adit::shard
