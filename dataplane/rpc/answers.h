#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "adit/dataplane/v1/control.pb.h"
#include "common/time.h"
#include "dataplane/engine/report.h"
#include "dataplane/rpc/desired_state.h"
#include "dataplane/rpc/sync_client.h"

// The messages this end sends, made of plain values.
namespace adit::rpc {

using Outgoing = adit::dataplane::v1::FromDataplane;

[[nodiscard]] Outgoing MakeHello(const SyncOptions& options, const DesiredState& state,
                                 const std::vector<HostProblem>& problems);
[[nodiscard]] Outgoing MakeAck(std::uint64_t nonce, std::uint64_t revision, std::string digest,
                               Duration apply_time);
[[nodiscard]] Outgoing MakeNack(std::uint64_t nonce, std::uint64_t revision,
                                const Refusal& refusal);
[[nodiscard]] Outgoing MakePong(std::uint64_t nonce);
[[nodiscard]] Outgoing MakeFault(std::string_view code, std::string_view text, WallTime now);
[[nodiscard]] Outgoing MakeGrantExpired(const ObjectId& grant, WallTime now);
[[nodiscard]] Outgoing MakeHostChanged(const std::vector<HostProblem>& problems, WallTime now);

// One message per few thousand peers, so that none is larger than gRPC takes; the drops are in the
// first.
[[nodiscard]] std::vector<Outgoing> MakeStats(const std::vector<engine::PeerReport>& peers,
                                              const engine::Counters& counters, WallTime now);

}  // namespace adit::rpc
