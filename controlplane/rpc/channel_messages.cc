#include "controlplane/rpc/channel_messages.h"

#include <algorithm>
#include <type_traits>
#include <utility>

namespace adit::hub {
namespace {

namespace pb = ::adit::dataplane::v1;

std::string TextOf(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void SetPrefix(const IpPrefix& from, pb::Prefix* to) {
  to->set_address(TextOf(from.address().bytes()));
  to->set_length(from.length());
}

pb::TrafficRule::Protocol ProtocolOf(model::Allow::Protocol protocol) {
  switch (protocol) {
    case model::Allow::Protocol::kTcp:
      return pb::TrafficRule::PROTOCOL_TCP;
    case model::Allow::Protocol::kUdp:
      return pb::TrafficRule::PROTOCOL_UDP;
    case model::Allow::Protocol::kIcmp:
      return pb::TrafficRule::PROTOCOL_ICMP;
  }
  return pb::TrafficRule::PROTOCOL_UNSPECIFIED;  // refused by every data plane
}

pb::InterfaceConfig ToMessage(const model::InterfaceView& view) {
  pb::InterfaceConfig message;
  for (const IpPrefix& prefix : view.addresses) {
    SetPrefix(prefix, message.add_addresses());
  }
  for (const IpPrefix& prefix : view.tunnel_ranges) {
    SetPrefix(prefix, message.add_tunnel_ranges());
  }
  return message;
}

pb::PeerConfig ToMessage(const model::PeerView& view) {
  pb::PeerConfig message;
  message.set_public_key(TextOf(view.public_key.bytes()));
  if (view.preshared_key) {
    message.set_preshared_key(TextOf(view.preshared_key->bytes()));
  }
  if (view.endpoint) {
    message.set_endpoint(view.endpoint->ToString());
  }
  if (view.persistent_keepalive != 0) {
    message.set_persistent_keepalive(view.persistent_keepalive);
  }
  for (const IpPrefix& prefix : view.allowed_ips) {
    SetPrefix(prefix, message.add_allowed_ips());
  }
  return message;
}

pb::ResourceConfig ToMessage(const model::ResourceView& view) {
  pb::ResourceConfig message;
  message.set_id(view.id);
  for (const IpPrefix& prefix : view.prefixes) {
    SetPrefix(prefix, message.add_prefixes());
  }
  message.set_nat(view.nat);
  if (view.allow_all) {
    message.set_allow_all(true);
    return message;
  }
  pb::TrafficRules* rules = message.mutable_rules();
  for (const model::Allow& allow : view.allow) {
    pb::TrafficRule* rule = rules->add_rules();
    rule->set_protocol(ProtocolOf(allow.protocol));
    if (allow.protocol != model::Allow::Protocol::kIcmp) {
      rule->mutable_ports()->set_first(allow.first_port);
      rule->mutable_ports()->set_last(allow.last_port);
    }
  }
  return message;
}

pb::GrantConfig ToMessage(const model::GrantView& view) {
  pb::GrantConfig message;
  message.set_peer_public_key(TextOf(view.peer.bytes()));
  message.set_resource_id(view.resource_id);
  if (view.expires_at) {
    message.set_expires_at_unix_ns(view.expires_at->since_epoch().count());
  }
  return message;
}

void SetKey(const model::ObjectId& id, pb::ObjectKey* to) {
  to->set_kind(static_cast<pb::ObjectKind>(id.kind));
  to->set_key(id.key);
}

model::ObjectId IdOf(const pb::ObjectKey& key) {
  return {static_cast<model::ViewKind>(key.kind()), key.key()};
}

void SetObject(sync::Object object, pb::Object* to) {
  to->set_kind(static_cast<pb::ObjectKind>(object.id.kind));
  to->set_key(std::move(object.id.key));
  to->set_body(std::move(object.body));
}

// As much as the transport ever reads into one buffer (64 KiB): what follows a preshared key in its
// message fills that buffer, so that it is freed and wiped (Delta.padding).
constexpr std::size_t kPaddingSize = std::size_t{64} * 1024;

bool IsPeer(const model::ObjectId& id) { return id.kind == model::ViewKind::kPeer; }

void Fill(sync::SnapshotChunk chunk, WallTime now, pb::FromControlplane& out) {
  pb::Snapshot* snapshot = out.mutable_snapshot();
  snapshot->set_nonce(chunk.nonce);
  snapshot->set_epoch(std::move(chunk.epoch));
  snapshot->set_revision(chunk.revision);
  snapshot->set_chunk(chunk.chunk);
  snapshot->set_chunk_count(chunk.chunk_count);
  if (std::ranges::any_of(chunk.objects, IsPeer, &sync::Object::id)) {
    snapshot->set_padding(std::string(kPaddingSize, '\0'));
  }
  for (sync::Object& object : chunk.objects) {
    SetObject(std::move(object), snapshot->add_objects());
  }
  snapshot->set_digest(std::move(chunk.digest));
  snapshot->set_hub_now_unix_ns(now.since_epoch().count());
}

void Fill(sync::Delta from, WallTime now, pb::FromControlplane& out) {
  pb::Delta* delta = out.mutable_delta();
  delta->set_nonce(from.nonce);
  delta->set_epoch(std::move(from.epoch));
  delta->set_from(from.from);
  delta->set_to(from.to);
  if (std::ranges::any_of(from.removals, IsPeer) ||
      std::ranges::any_of(from.upserts, IsPeer, &sync::Object::id)) {
    delta->set_padding(std::string(kPaddingSize, '\0'));
  }
  for (const model::ObjectId& id : from.removals) {
    SetKey(id, delta->add_removals());
  }
  for (sync::Object& object : from.upserts) {
    SetObject(std::move(object), delta->add_upserts());
  }
  delta->set_digest(std::move(from.digest));
  delta->set_hub_now_unix_ns(now.since_epoch().count());
}

void Fill(sync::Ping ping, WallTime now, pb::FromControlplane& out) {
  out.mutable_ping()->set_nonce(ping.nonce);
  out.mutable_ping()->set_hub_now_unix_ns(now.since_epoch().count());
}

void Fill(const sync::Close&, WallTime, pb::FromControlplane&) {}

}  // namespace

std::string BodyOf(const model::ViewBody& body) {
  return std::visit([](const auto& view) { return ToMessage(view).SerializeAsString(); }, body);
}

std::vector<sync::Object> ObjectsOf(const std::vector<model::ViewObject>& objects) {
  std::vector<sync::Object> out;
  out.reserve(objects.size());
  for (const model::ViewObject& object : objects) {
    out.push_back({object.id, BodyOf(object.body)});
  }
  return out;
}

pb::FromControlplane ToProto(sync::Message message, WallTime now) {
  pb::FromControlplane out;
  std::visit([&](auto& value) { Fill(std::move(value), now, out); }, message);
  return out;
}

sync::Hello FromProto(const pb::Hello& hello) {
  return {hello.store_epoch(), hello.applied_revision(), hello.digest()};
}

sync::Ack FromProto(const pb::Ack& ack) { return {ack.nonce(), ack.revision(), ack.digest()}; }

sync::Nack FromProto(const pb::Nack& nack) {
  sync::Nack out;
  out.nonce = nack.nonce();
  out.revision = nack.revision();
  out.needs_snapshot = nack.needs_snapshot();
  out.text = nack.text();
  for (const pb::Rejection& from : nack.rejections()) {
    sync::Rejection& rejection = out.rejections.emplace_back();
    rejection.object = IdOf(from.object());
    rejection.field = from.field();
    rejection.code = from.code();
    rejection.text = from.text();
    for (const pb::ObjectKey& cure : from.cured_by()) {
      rejection.cured_by.push_back(IdOf(cure));
    }
  }
  return out;
}

}  // namespace adit::hub
