#pragma once

#include "dataplane/io/gso_send.h"

namespace adit::shard {

// Says what the kernel refused and what is done about it: INFO, and the address at DEBUG. Called
// for the first time of each kind only (DrainReport::refusals), so never per packet.
void LogRefusal(const io::RefusalEvent& event);

}  // namespace adit::shard
