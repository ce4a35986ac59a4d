#pragma once

#include <string>

#include "adit/admin/v1/peer.pb.h"
#include "adit/admin/v1/policy.pb.h"
#include "adit/admin/v1/resource.pb.h"
#include "controlplane/model/records.h"
#include "controlplane/model/state.h"

// Records of the model as messages of the admin API. Nodes need what the channel knows too: see
// node_link.h.
namespace adit::hub {

// Never with the preshared key.
void FillPeer(const model::State& state, const model::Peer& peer, admin::v1::Peer* out);
void FillResource(const model::Resource& resource, admin::v1::Resource* out);
void FillPolicy(const model::Policy& policy, admin::v1::Policy* out);

// What the peer's wg-quick file holds, with the preshared key and without the private one.
// FAILED_PRECONDITION when clients cannot dial its node.
[[nodiscard]] absl::Status FillExport(const model::State& state, const model::Peer& peer,
                                      admin::v1::PeerExport* out);

}  // namespace adit::hub
