#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "adit/dataplane/v1/control.pb.h"
#include "adit/dataplane/v1/state.pb.h"
#include "common/ip_address.h"
#include "common/key.h"
#include "common/state_digest.h"
#include "dataplane/rpc/convert.h"
#include "dataplane/rpc/object.h"
#include "dataplane/state/view.h"

// Objects as a control plane would send them, in a line each.
namespace adit::rpc::testing {

namespace pb = ::adit::dataplane::v1;
using state::StoredObject;

inline ByteSpan Bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

inline PublicKey KeyOf(int number) {
  std::array<std::uint8_t, kKeySize> bytes{};
  StoreBe32(&bytes[0], static_cast<std::uint32_t>(number + 1));
  bytes[31] = 0x40;
  return PublicKey(bytes);
}

inline std::string KeyBytes(int number) {
  const PublicKey key = KeyOf(number);
  return {reinterpret_cast<const char*>(key.bytes().data()), kKeySize};
}

inline Limits TestLimits() {
  Limits limits;
  limits.own_key = KeyOf(1'000'000);
  limits.tunnel_ranges = {IpPrefix::Parse("100.64.0.0/11").value(),
                          IpPrefix::Parse("fd00:2021:1111::/107").value()};
  return limits;
}

inline void FillPrefix(const std::string& text, pb::Prefix& out) {
  const IpPrefix prefix = IpPrefix::Parse(text).value();
  const ByteSpan bytes = prefix.address().bytes();
  out.set_address(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  out.set_length(prefix.length());
}

inline pb::PeerConfig PeerBody(int number, const std::vector<std::string>& allowed_ips) {
  pb::PeerConfig body;
  body.set_public_key(KeyBytes(number));
  for (const std::string& prefix : allowed_ips) {
    FillPrefix(prefix, *body.add_allowed_ips());
  }
  return body;
}
inline StoredObject Peer(int number, const std::vector<std::string>& allowed_ips) {
  return {kPeerKind, KeyBytes(number), PeerBody(number, allowed_ips).SerializeAsString()};
}

inline pb::ResourceConfig ResourceBody(const std::string& id,
                                       const std::vector<std::string>& prefixes) {
  pb::ResourceConfig body;
  body.set_id(id);
  for (const std::string& prefix : prefixes) {
    FillPrefix(prefix, *body.add_prefixes());
  }
  body.set_allow_all(true);
  body.set_nat(true);
  return body;
}
inline StoredObject Resource(const std::string& id, const std::vector<std::string>& prefixes) {
  return {kResourceKind, id, ResourceBody(id, prefixes).SerializeAsString()};
}

inline pb::GrantConfig GrantBody(int peer, const std::string& resource,
                                 std::optional<std::int64_t> expires_at_unix_ns = {}) {
  pb::GrantConfig body;
  body.set_peer_public_key(KeyBytes(peer));
  body.set_resource_id(resource);
  if (expires_at_unix_ns) {
    body.set_expires_at_unix_ns(*expires_at_unix_ns);
  }
  return body;
}
inline StoredObject Grant(int peer, const std::string& resource,
                          std::optional<std::int64_t> expires_at_unix_ns = {}) {
  return {kGrantKind, GrantObjectKey(KeyOf(peer), resource),
          GrantBody(peer, resource, expires_at_unix_ns).SerializeAsString()};
}

inline StoredObject Interface(const std::vector<std::string>& addresses,
                              const std::vector<std::string>& tunnel_ranges = {"100.64.0.0/11"}) {
  pb::InterfaceConfig body;
  for (const std::string& prefix : addresses) {
    FillPrefix(prefix, *body.add_addresses());
  }
  for (const std::string& prefix : tunnel_ranges) {
    FillPrefix(prefix, *body.add_tunnel_ranges());
  }
  return {kInterfaceKind, "", body.SerializeAsString()};
}

inline ObjectId IdOf(const StoredObject& object) { return {object.kind, object.key}; }

// What a hub holds of a node's view, the obvious way.
class HubView {
 public:
  explicit HubView(std::string epoch = "epoch") : epoch_(std::move(epoch)) {}

  void Put(const StoredObject& object) { objects_[IdOf(object)] = object.body; }
  void Remove(const ObjectId& id) { objects_.erase(id); }
  [[nodiscard]] const std::map<ObjectId, std::string>& objects() const { return objects_; }
  [[nodiscard]] const std::string& epoch() const { return epoch_; }
  [[nodiscard]] std::string Digest() const {
    StateDigest digest;
    for (const auto& [id, body] : objects_) {
      digest.Add(id.kind, Bytes(id.key), Bytes(body));
    }
    return digest.bytes();
  }
  [[nodiscard]] std::vector<StoredObject> Objects() const {
    std::vector<StoredObject> all;
    for (const auto& [id, body] : objects_) {
      all.push_back({id.kind, id.key, body});
    }
    return all;
  }

 private:
  std::string epoch_;
  std::map<ObjectId, std::string> objects_;
};

inline void FillObject(const StoredObject& object, pb::Object& out) {
  out.set_kind(static_cast<pb::ObjectKind>(object.kind));
  out.set_key(object.key);
  out.set_body(object.body);
}

// In one chunk.
inline pb::Snapshot SnapshotOf(const HubView& view, std::uint64_t revision,
                               std::int64_t hub_now_unix_ns = 0) {
  pb::Snapshot snapshot;
  snapshot.set_nonce(revision * 10);
  snapshot.set_epoch(view.epoch());
  snapshot.set_revision(revision);
  snapshot.set_chunk_count(1);
  snapshot.set_digest(view.Digest());
  snapshot.set_hub_now_unix_ns(hub_now_unix_ns);
  for (const StoredObject& object : view.Objects()) {
    FillObject(object, *snapshot.add_objects());
  }
  return snapshot;
}

// Does it to `view` as well.
inline pb::Delta DeltaOf(HubView& view, std::uint64_t from, std::uint64_t to,
                         const std::vector<ObjectId>& removals,
                         const std::vector<StoredObject>& upserts,
                         std::int64_t hub_now_unix_ns = 0) {
  pb::Delta delta;
  delta.set_nonce(to * 10 + 1);
  delta.set_epoch(view.epoch());
  delta.set_from(from);
  delta.set_to(to);
  delta.set_hub_now_unix_ns(hub_now_unix_ns);
  for (const ObjectId& id : removals) {
    view.Remove(id);
    pb::ObjectKey& key = *delta.add_removals();
    key.set_kind(static_cast<pb::ObjectKind>(id.kind));
    key.set_key(id.key);
  }
  for (const StoredObject& object : upserts) {
    view.Put(object);
    FillObject(object, *delta.add_upserts());
  }
  delta.set_digest(view.Digest());
  return delta;
}

}  // namespace adit::rpc::testing
