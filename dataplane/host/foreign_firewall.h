#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

#include "dataplane/host/host_problem.h"
#include "dataplane/host/nftables.h"

namespace adit::host {

// Chains of others that drop what we forward: base chains on hook forward whose policy is drop, or
// that drop or reject without a condition. A table with a rule that names our interface counts as
// the operator's answer and is left out. `ruleset` is nft's JSON listing; anything unexpected in it
// is passed over. Sans-IO.
[[nodiscard]] std::vector<HostProblem> FindForwardDrops(std::string_view ruleset,
                                                        std::string_view tun_name);

// Lists the ruleset and looks.
[[nodiscard]] absl::StatusOr<std::vector<HostProblem>> ForeignForwardDrops(
    Nftables& nftables, std::string_view tun_name);

}  // namespace adit::host
