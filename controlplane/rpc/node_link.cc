#include "controlplane/rpc/node_link.h"

#include <algorithm>

namespace adit::hub {

void NodeLink::NoteRights(std::uint64_t revision, const std::optional<WallTime>& until) {
  const bool is_first = sync.settled_revision() >= rights_revision_;
  rights_revision_ = revision;
  if (is_first) {
    rights_until_ = until;
  } else if (rights_until_ && until) {
    rights_until_ = std::max(*rights_until_, *until);
  } else {
    rights_until_ = std::nullopt;
  }
}

std::optional<std::optional<WallTime>> NodeLink::RightsAtRisk() const {
  // One that has not connected since this process began may hold anything.
  if (sync.settled_revision() == 0) {
    return std::optional<std::optional<WallTime>>(std::optional<WallTime>());
  }
  if (sync.settled_revision() >= rights_revision_) {
    return std::nullopt;
  }
  return std::optional<std::optional<WallTime>>(rights_until_);
}

void FillRejection(const model::State& state, const sync::Rejection& rejection,
                   admin::v1::ObjectRejection* out) {
  out->set_object(model::Describe(state, rejection.object));
  out->set_field(rejection.field);
  out->set_code(rejection.code);
  out->set_text(rejection.text);
}

void FillRefusal(const sync::NodeSync& sync, admin::v1::ObjectRejection* out) {
  out->set_code("UPDATE_REFUSED");
  out->set_text(sync.problem());
}

void FillNode(const model::State& state, const model::Node& node, const NodeLink* link,
              admin::v1::Node* out) {
  out->set_name(node.name);
  out->set_etag(model::EtagOf(node.revision));
  out->set_public_key(node.public_key.ToBase64());
  out->set_advertise(node.advertise);
  for (const IpPrefix& address : node.addresses.hosts()) {
    out->add_addresses(address.ToString());
  }
  out->set_listen_port(node.listen_port);
  out->set_mtu(node.mtu);
  out->set_current_revision(state.revision());
  out->set_state(admin::v1::Node::OFFLINE);
  if (link == nullptr) {
    return;
  }
  const std::int64_t since = link->sync.since().since_epoch().count();
  if (link->sync.is_connected()) {
    out->set_state(admin::v1::Node::CONNECTED);
    out->set_connected_since_unix_ns(since);
  } else {
    out->set_offline_since_unix_ns(since);
  }
  out->set_build(link->build);
  out->set_applied_revision(link->sync.settled_revision());
  out->set_applied_at_unix_ns(link->sync.settled_at().since_epoch().count());
  if (link->sync.answered_in() != Duration(0)) {
    out->set_last_update_ns(link->sync.answered_in().count());
  }
  for (const sync::Rejection& rejection : link->sync.rejections()) {
    FillRejection(state, rejection, out->add_rejections());
  }
  if (!link->sync.problem().empty()) {
    FillRefusal(link->sync, out->add_rejections());
  }
  if (link->last_refusal) {
    out->set_last_refusal(*link->last_refusal);
  }
  for (const std::string& problem : link->host_problems) {
    out->add_host_problems(problem);
  }
}

void FillActivity(const PeerActivity& activity, admin::v1::Peer* out) {
  out->set_received_bytes(activity.received_bytes);
  out->set_sent_bytes(activity.sent_bytes);
  if (activity.last_handshake_unix_ns) {
    out->set_last_handshake_unix_ns(*activity.last_handshake_unix_ns);
  }
  if (activity.endpoint) {
    out->set_current_endpoint(*activity.endpoint);
  }
}

}  // namespace adit::hub
