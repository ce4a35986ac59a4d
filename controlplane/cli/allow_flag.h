#pragma once

#include <string>
#include <vector>

#include <absl/status/status.h>

#include "adit/admin/v1/resource.pb.h"

namespace adit::cli {

// --allow: "all", "icmp", "tcp:443,8000-8100" or "udp:53". Fills allow_all and allow, replacing
// what is there. INVALID_ARGUMENT names --allow, the value and what was expected, also for no value
// at all and for "all" beside others: nothing is allowed by leaving it out.
[[nodiscard]] absl::Status FillAllow(const std::vector<std::string>& values,
                                     admin::v1::Resource* resource);

// The same text back: "tcp:443,8000-8100 icmp".
[[nodiscard]] std::string FormatAllow(const admin::v1::Resource& resource);

}  // namespace adit::cli
