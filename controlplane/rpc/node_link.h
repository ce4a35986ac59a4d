#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "adit/admin/v1/node.pb.h"
#include "adit/admin/v1/peer.pb.h"
#include "adit/dataplane/v1/control.pb.h"
#include "common/key.h"
#include "controlplane/model/state.h"
#include "controlplane/model/view_delta.h"
#include "controlplane/rpc/dataplane_session.h"
#include "controlplane/sync/node_sync.h"

namespace adit::hub {

// Of one peer, as its node last reported.
struct PeerActivity {
  std::uint64_t received_bytes = 0;
  std::uint64_t sent_bytes = 0;
  std::optional<std::int64_t> last_handshake_unix_ns;
  std::optional<std::string> endpoint;
};

// What the hub knows of a node besides its record: how far its data plane is, its stream and what
// it reports. Nothing of it is stored. Thread: the model thread.
struct NodeLink {
  NodeLink(const std::string& epoch, const Now& now, const sync::SyncLimits& limits)
      : sync(epoch, now, limits) {}

  // The change takes rights away that the data plane may use until it has settled.
  void NoteRights(std::uint64_t revision, const std::optional<WallTime>& until);
  // Until when a data plane that has not settled may go on forwarding what was taken away. Outer
  // nullopt: nothing is at risk; inner: no end.
  [[nodiscard]] std::optional<std::optional<WallTime>> RightsAtRisk() const;

  sync::NodeSync sync;
  DataplaneSession* session = nullptr;  // its own owner
  // Sent before what sync has to say; bounded by whoever adds.
  std::deque<dataplane::v1::FromControlplane> extra;

  std::string build;
  std::vector<std::string> host_problems;
  std::optional<std::string> last_refusal;
  absl::flat_hash_map<PublicKey, PeerActivity> peers;

 private:
  std::uint64_t rights_revision_ = 0;
  std::optional<WallTime> rights_until_;
};

// `link` may be null: a node that is only being tried out.
void FillNode(const model::State& state, const model::Node& node, const NodeLink* link,
              admin::v1::Node* out);
void FillActivity(const PeerActivity& activity, admin::v1::Peer* out);
void FillRejection(const model::State& state, const sync::Rejection& rejection,
                   admin::v1::ObjectRejection* out);
// Of a data plane that refuses updates whole.
void FillRefusal(const sync::NodeSync& sync, admin::v1::ObjectRejection* out);

}  // namespace adit::hub
