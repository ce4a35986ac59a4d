#include "controlplane/rpc/admin_records.h"

#include <set>

#include <fmt/format.h>

#include "controlplane/model/error.h"
#include "controlplane/model/peers.h"

namespace adit::hub {
namespace {

// Of a tunnel whose node has not said another.
constexpr std::uint32_t kDefaultMtu = 1280;

std::int64_t UnixNs(WallTime time) { return time.since_epoch().count(); }

}  // namespace

void FillPeer(const model::State& state, const model::Peer& peer, admin::v1::Peer* out) {
  out->set_name(peer.name);
  out->set_etag(model::EtagOf(peer.revision));
  out->set_public_key(peer.public_key.ToBase64());
  out->set_node(peer.node);
  for (const IpPrefix& address : peer.addresses.hosts()) {
    out->add_addresses(address.ToString());
  }
  if (peer.endpoint) {
    out->set_endpoint(peer.endpoint->ToString());
  }
  if (peer.keepalive != 0) {
    out->set_keepalive(peer.keepalive);
  }
  out->set_has_preshared_key(peer.preshared_key.has_value());
  for (std::string& name : model::NotInExport(state, peer)) {
    out->add_not_in_export(std::move(name));
  }
  out->set_created_unix_ns(UnixNs(peer.created));
}

void FillResource(const model::Resource& resource, admin::v1::Resource* out) {
  out->set_name(resource.name);
  out->set_etag(model::EtagOf(resource.revision));
  out->set_node(resource.node);
  for (const IpPrefix& cidr : resource.cidrs) {
    out->add_cidrs(cidr.ToString());
  }
  out->set_allow_all(resource.allow_all);
  for (const model::Allow& allow : resource.allow) {
    admin::v1::Allow* to = out->add_allow();
    to->set_protocol(static_cast<admin::v1::Allow::Protocol>(allow.protocol));
    to->set_first_port(allow.first_port);
    to->set_last_port(allow.last_port);
  }
  out->set_nat(resource.nat);
  out->set_created_unix_ns(UnixNs(resource.created));
}

void FillPolicy(const model::Policy& policy, admin::v1::Policy* out) {
  out->set_name(policy.name);
  out->set_etag(model::EtagOf(policy.revision));
  for (const std::string& peer : policy.peers) {
    out->add_peers(peer);
  }
  for (const std::string& resource : policy.resources) {
    out->add_resources(resource);
  }
  out->set_disabled(policy.disabled);
  if (policy.expires) {
    out->set_expires_unix_ns(UnixNs(*policy.expires));
  }
  out->set_created_unix_ns(UnixNs(policy.created));
}

absl::Status FillExport(const model::State& state, const model::Peer& peer,
                        admin::v1::PeerExport* out) {
  const model::Node* node = state.FindNode(peer.node);
  if (node == nullptr || node->advertise.empty()) {
    return model::Refusal(
        absl::StatusCode::kFailedPrecondition, model::kNoAdvertise,
        fmt::format("node {} advertises no endpoint that clients could dial: start its "
                    "adit-dataplane with --advertise HOST:PORT, or `aditctl node update {} "
                    "--advertise HOST:PORT`",
                    peer.node, peer.node));
  }
  for (const IpPrefix& address : peer.addresses.hosts()) {
    out->add_addresses(address.ToString());
  }
  out->set_mtu(node->mtu != 0 ? node->mtu : kDefaultMtu);
  out->set_gateway_public_key(node->public_key.ToBase64());
  out->set_gateway_endpoint(node->advertise);
  std::set<IpPrefix> allowed;
  for (const IpPrefix& address : node->addresses.hosts()) {
    allowed.insert(address);
  }
  for (const std::string& name : state.ResourcesOf(node->name)) {
    const model::Resource* resource = state.FindResource(name);
    allowed.insert(resource->cidrs.begin(), resource->cidrs.end());
  }
  for (const IpPrefix& prefix : allowed) {
    out->add_allowed_ips(prefix.ToString());
  }
  if (peer.keepalive != 0) {
    out->set_persistent_keepalive(peer.keepalive);
  }
  if (peer.preshared_key) {
    std::array<char, 44> text{};
    EncodeKeyBase64(peer.preshared_key->bytes(), text);
    out->set_preshared_key(text.data(), text.size());
  }
  return absl::OkStatus();
}

}  // namespace adit::hub
