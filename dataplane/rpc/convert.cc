#include "dataplane/rpc/convert.h"

#include <algorithm>
#include <limits>
#include <span>

#include <fmt/format.h>
#include <google/protobuf/message.h>

#include "adit/dataplane/v1/state.pb.h"
#include "common/bytes.h"

namespace adit::rpc {
namespace {

namespace pb = ::adit::dataplane::v1;

constexpr std::size_t kMaxResourceIdSize = 255;
constexpr int kMaxPrefixes = 4096;  // of one peer or resource
constexpr int kMaxInterfacePrefixes = 64;
constexpr int kMaxRules = 1024;

// Destinations that are the host itself, its link or a group: never behind a gateway.
std::span<const IpPrefix> ForbiddenDestinations() {
  static const std::vector<IpPrefix> prefixes = [] {
    std::vector<IpPrefix> all;
    for (const char* text :
         {"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32",
          "::/128", "::1/128", "::ffff:0.0.0.0/96", "fe80::/10", "ff00::/8"}) {
      all.push_back(IpPrefix::Parse(text).value());
    }
    return all;
  }();
  return prefixes;
}

// The body's and all its parts' unknown fields.
bool HasUnknownFields(const google::protobuf::Message& message) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  if (!reflection.GetUnknownFields(message).empty()) {
    return true;
  }
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const google::protobuf::FieldDescriptor* field : fields) {
    if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) {
      continue;
    }
    if (!field->is_repeated()) {
      if (HasUnknownFields(reflection.GetMessage(message, field))) {
        return true;
      }
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      if (HasUnknownFields(reflection.GetRepeatedMessage(message, field, i))) {
        return true;
      }
    }
  }
  return false;
}

template <typename Message>
std::optional<Problem> ParseBody(std::string_view body, Message& message) {
  if (body.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !message.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    return Problem{"", "MALFORMED", "the body is not a message of its kind"};
  }
  if (HasUnknownFields(message)) {
    return Problem{"", "UNKNOWN_FIELD",
                   "the body has a field this data plane does not know: update the data plane"};
  }
  return std::nullopt;
}

Problem KeyMismatch(std::string_view field) {
  return {std::string(field), "KEY_MISMATCH", "the object's key and body do not agree"};
}

bool IsInsideAny(const IpPrefix& prefix, std::span<const IpPrefix> ranges) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const IpPrefix& range) { return range.Contains(prefix); });
}

std::string Join(std::span<const IpPrefix> prefixes) {
  std::string text;
  for (const IpPrefix& prefix : prefixes) {
    text += (text.empty() ? "" : ", ") + prefix.ToString();
  }
  return text;
}

using PbPrefixes = google::protobuf::RepeatedPtrField<pb::Prefix>;

// Canonical and without repetition.
std::optional<Problem> ParsePrefixes(const PbPrefixes& from, std::string_view field, int max,
                                     std::vector<IpPrefix>& out) {
  if (from.size() > max) {
    return Problem{std::string(field), "LIMIT", fmt::format("more than {} prefixes", max)};
  }
  for (int i = 0; i < from.size(); ++i) {
    const std::string path = fmt::format("{}[{}]", field, i);
    const auto address = IpAddress::FromBytes(AsBytes(from[i].address()));
    if (!address) {
      return Problem{path + ".address", "BAD_LENGTH", "an address has 4 or 16 bytes"};
    }
    if (from[i].length() > address->bit_count()) {
      return Problem{path + ".length", "OUT_OF_RANGE",
                     fmt::format("a length of {} bits is more than {}", from[i].length(),
                                 address->bit_count())};
    }
    const IpPrefix prefix(*address, from[i].length());
    if (prefix.address() != *address) {
      return Problem{path, "BAD_PREFIX",
                     fmt::format("{}/{} has host bits set", address->ToString(), from[i].length())};
    }
    out.push_back(prefix);
  }
  std::vector<IpPrefix> sorted = out;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end()) {
    return Problem{std::string(field), "DUPLICATE",
                   fmt::format("{} is there twice", twice->ToString())};
  }
  return std::nullopt;
}

std::optional<Problem> CheckInsideTunnelRanges(std::span<const IpPrefix> prefixes,
                                               std::string_view field, const Limits& limits) {
  for (std::size_t i = 0; i < prefixes.size(); ++i) {
    if (!IsInsideAny(prefixes[i], limits.tunnel_ranges)) {
      return Problem{fmt::format("{}[{}]", field, i), "OUTSIDE_TUNNEL_RANGES",
                     fmt::format("{} is not inside {}, which is all this data plane allows",
                                 prefixes[i].ToString(), Join(limits.tunnel_ranges))};
    }
  }
  return std::nullopt;
}

std::optional<Problem> ParseInterface(const state::ObjectView& object, const Limits& limits,
                                      InterfaceObject& out) {
  pb::InterfaceConfig body;
  if (auto problem = ParseBody(object.body, body)) {
    return problem;
  }
  if (!object.key.empty()) {
    return KeyMismatch("");
  }
  if (auto problem =
          ParsePrefixes(body.addresses(), "addresses", kMaxInterfacePrefixes, out.addresses)) {
    return problem;
  }
  for (std::size_t i = 0; i < out.addresses.size(); ++i) {
    const IpPrefix& address = out.addresses[i];
    if (address.length() != address.address().bit_count()) {
      return Problem{fmt::format("addresses[{}].length", i), "OUT_OF_RANGE",
                     "an address of the interface is a /32 or a /128"};
    }
  }
  if (auto problem = CheckInsideTunnelRanges(out.addresses, "addresses", limits)) {
    return problem;
  }
  if (auto problem = ParsePrefixes(body.tunnel_ranges(), "tunnel_ranges", kMaxInterfacePrefixes,
                                   out.tunnel_ranges)) {
    return problem;
  }
  return CheckInsideTunnelRanges(out.tunnel_ranges, "tunnel_ranges", limits);
}

std::optional<Problem> ParsePresharedKey(const pb::PeerConfig& body, PeerObject& out) {
  if (!body.has_preshared_key()) {
    return std::nullopt;
  }
  if (body.preshared_key().size() != kKeySize) {
    return Problem{"preshared_key", "BAD_LENGTH", "a preshared key has 32 bytes"};
  }
  crypto::SymmetricKey key;
  std::copy_n(AsBytes(body.preshared_key()).begin(), kKeySize, key.mutable_bytes().begin());
  if (crypto::IsAllZero(key.bytes())) {
    return Problem{"preshared_key", "ZERO_KEY",
                   "all zero: leave the field out for a peer without a preshared key"};
  }
  out.preshared_key = key;
  return std::nullopt;
}

std::optional<Problem> ParseEndpoint(const std::string& text, const Limits& limits,
                                     PeerObject& out) {
  const auto endpoint = Endpoint::Parse(text);
  // A scope names an interface of this host, and names are never taken from the channel.
  if (!endpoint || endpoint->port == 0 || endpoint->scope != 0) {
    return Problem{"endpoint", "MALFORMED", "expected a numeric ADDRESS:PORT or [ADDRESS]:PORT"};
  }
  const IpAddress& address = endpoint->address;
  if (address.is_unspecified() || address.is_multicast() || address.is_v4_mapped()) {
    return Problem{"endpoint", "OUT_OF_RANGE", "not an address that datagrams can be sent to"};
  }
  if (IsInsideAny(IpPrefix::Host(address), limits.tunnel_ranges)) {
    return Problem{"endpoint", "OUT_OF_RANGE", "an address inside the tunnel"};
  }
  out.endpoint = endpoint;
  return std::nullopt;
}

std::optional<Problem> ParsePeer(const state::ObjectView& object, const Limits& limits,
                                 PeerObject& out) {
  pb::PeerConfig body;
  if (auto problem = ParseBody(object.body, body)) {
    return problem;
  }
  const auto key = PublicKey::FromBytes(AsBytes(body.public_key()));
  if (!key) {
    return Problem{"public_key", "BAD_LENGTH", "a public key has 32 bytes"};
  }
  if (body.public_key() != object.key) {
    return KeyMismatch("public_key");
  }
  if (key->is_zero()) {
    return Problem{"public_key", "ZERO_KEY", "all zero is no public key"};
  }
  if (*key == limits.own_key) {
    return Problem{"public_key", "OWN_KEY", "this data plane's own key cannot be a peer"};
  }
  out.public_key = *key;
  auto problem = ParsePresharedKey(body, out);
  if (body.has_preshared_key()) {
    // The message's copy of a secret goes as soon as ours exists.
    std::string& copy = *body.mutable_preshared_key();
    crypto::Wipe({reinterpret_cast<std::uint8_t*>(copy.data()), copy.size()});
  }
  if (problem) {
    return problem;
  }
  if (body.has_endpoint()) {
    if ((problem = ParseEndpoint(body.endpoint(), limits, out))) {
      return problem;
    }
  }
  if (body.has_persistent_keepalive()) {
    if (body.persistent_keepalive() < 1 || body.persistent_keepalive() > 65'535) {
      return Problem{"persistent_keepalive", "OUT_OF_RANGE",
                     "expected 1 to 65535 seconds; leave the field out for none"};
    }
    out.persistent_keepalive = static_cast<std::uint16_t>(body.persistent_keepalive());
  }
  if ((problem = ParsePrefixes(body.allowed_ips(), "allowed_ips", kMaxPrefixes, out.allowed_ips))) {
    return problem;
  }
  return CheckInsideTunnelRanges(out.allowed_ips, "allowed_ips", limits);
}

std::optional<Problem> ParseRule(const pb::TrafficRule& from, const std::string& path,
                                 access::TrafficRule& out) {
  using Protocol = access::TrafficRule::Protocol;
  switch (from.protocol()) {
    case pb::TrafficRule::PROTOCOL_TCP:
      out.protocol = Protocol::kTcp;
      break;
    case pb::TrafficRule::PROTOCOL_UDP:
      out.protocol = Protocol::kUdp;
      break;
    case pb::TrafficRule::PROTOCOL_ICMP:
      out.protocol = Protocol::kIcmp;
      break;
    default:
      return Problem{path + ".protocol", "UNKNOWN_ENUM",
                     fmt::format("{} is no protocol this data plane knows",
                                 static_cast<int>(from.protocol()))};
  }
  const bool needs_ports = out.protocol != Protocol::kIcmp;
  if (needs_ports != from.has_ports()) {
    return Problem{path + ".ports", needs_ports ? "REQUIRED" : "NOT_ALLOWED",
                   needs_ports ? "TCP and UDP need a port range" : "ICMP has no ports"};
  }
  if (!needs_ports) {
    return std::nullopt;
  }
  const std::uint32_t first = from.ports().first();
  const std::uint32_t last = from.ports().last();
  if (first < 1 || last > 65'535 || first > last) {
    return Problem{path + ".ports", "OUT_OF_RANGE",
                   fmt::format("{}-{} is no port range within 1-65535", first, last)};
  }
  out.first_port = static_cast<std::uint16_t>(first);
  out.last_port = static_cast<std::uint16_t>(last);
  return std::nullopt;
}

std::optional<Problem> ParseFilter(const pb::ResourceConfig& body, access::TrafficFilter& out) {
  switch (body.filter_case()) {
    case pb::ResourceConfig::kAllowAll:
      if (!body.allow_all()) {
        return Problem{"allow_all", "OUT_OF_RANGE", "must be true where it is set"};
      }
      out.allow_all = true;
      return std::nullopt;
    case pb::ResourceConfig::kRules:
      break;
    case pb::ResourceConfig::FILTER_NOT_SET:
      return Problem{"filter", "REQUIRED", "neither allow_all nor rules"};
  }
  if (body.rules().rules_size() > kMaxRules) {
    return Problem{"rules", "LIMIT", fmt::format("more than {} rules", kMaxRules)};
  }
  for (int i = 0; i < body.rules().rules_size(); ++i) {
    access::TrafficRule rule;
    if (auto problem = ParseRule(body.rules().rules(i), fmt::format("rules.rules[{}]", i), rule)) {
      return problem;
    }
    out.rules.push_back(rule);
  }
  return std::nullopt;
}

std::optional<Problem> CheckResourceId(std::string_view id, std::string_view field) {
  const bool has_control = std::any_of(id.begin(), id.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  if (id.empty() || id.size() > kMaxResourceIdSize || has_control) {
    return Problem{
        std::string(field), "OUT_OF_RANGE",
        fmt::format("an id has 1 to {} bytes and no control characters", kMaxResourceIdSize)};
  }
  return std::nullopt;
}

std::optional<Problem> CheckDestination(const IpPrefix& prefix, const std::string& path,
                                        const Limits& limits) {
  if (prefix.length() == 0) {
    return Problem{path, "FORBIDDEN_PREFIX", "a default route cannot be a resource"};
  }
  for (const IpPrefix& forbidden : ForbiddenDestinations()) {
    if (prefix.Overlaps(forbidden)) {
      return Problem{path, "FORBIDDEN_PREFIX",
                     fmt::format("{} overlaps {}, which is never behind a gateway",
                                 prefix.ToString(), forbidden.ToString())};
    }
  }
  for (const IpPrefix& range : limits.tunnel_ranges) {
    if (prefix.Overlaps(range)) {
      return Problem{
          path, "FORBIDDEN_PREFIX",
          fmt::format("{} overlaps the tunnel range {}", prefix.ToString(), range.ToString())};
    }
  }
  return std::nullopt;
}

std::optional<Problem> ParseResource(const state::ObjectView& object, const Limits& limits,
                                     access::ResourceConfig& out) {
  pb::ResourceConfig body;
  if (auto problem = ParseBody(object.body, body)) {
    return problem;
  }
  if (auto problem = CheckResourceId(body.id(), "id")) {
    return problem;
  }
  if (body.id() != object.key) {
    return KeyMismatch("id");
  }
  out.id = body.id();
  if (body.prefixes().empty()) {
    return Problem{"prefixes", "REQUIRED", "a resource has at least one prefix"};
  }
  if (auto problem = ParsePrefixes(body.prefixes(), "prefixes", kMaxPrefixes, out.prefixes)) {
    return problem;
  }
  for (std::size_t i = 0; i < out.prefixes.size(); ++i) {
    if (auto problem = CheckDestination(out.prefixes[i], fmt::format("prefixes[{}]", i), limits)) {
      return problem;
    }
  }
  if (auto problem = ParseFilter(body, out.filter)) {
    return problem;
  }
  if (!body.has_nat()) {
    return Problem{"nat", "REQUIRED", "must say whether addresses are translated"};
  }
  out.nat = body.nat();
  return std::nullopt;
}

std::optional<Problem> ParseGrant(const state::ObjectView& object, GrantObject& out) {
  pb::GrantConfig body;
  if (auto problem = ParseBody(object.body, body)) {
    return problem;
  }
  const auto peer = PublicKey::FromBytes(AsBytes(body.peer_public_key()));
  if (!peer) {
    return Problem{"peer_public_key", "BAD_LENGTH", "a public key has 32 bytes"};
  }
  if (auto problem = CheckResourceId(body.resource_id(), "resource_id")) {
    return problem;
  }
  if (GrantObjectKey(*peer, body.resource_id()) != object.key) {
    return KeyMismatch("");
  }
  out.peer = *peer;
  out.resource_id = body.resource_id();
  if (body.has_expires_at_unix_ns()) {
    if (body.expires_at_unix_ns() <= 0) {
      return Problem{"expires_at_unix_ns", "OUT_OF_RANGE",
                     "not a time after 1970; leave the field out for a grant without an end"};
    }
    out.expires_at = WallTime(Duration(body.expires_at_unix_ns()));
  }
  return std::nullopt;
}

}  // namespace

std::optional<Problem> ParseObject(const state::ObjectView& object, const Limits& limits,
                                   ParsedObject& out) {
  if (object.body.size() > limits.max_body_bytes) {
    return Problem{"", "LIMIT",
                   fmt::format("a body of {} bytes is more than {}", object.body.size(),
                               limits.max_body_bytes)};
  }
  switch (object.kind) {
    case kInterfaceKind:
      return ParseInterface(object, limits, out.emplace<InterfaceObject>());
    case kPeerKind:
      return ParsePeer(object, limits, out.emplace<PeerObject>());
    case kResourceKind:
      return ParseResource(object, limits, out.emplace<access::ResourceConfig>());
    case kGrantKind:
      return ParseGrant(object, out.emplace<GrantObject>());
    default:
      return Problem{
          "kind", "UNKNOWN_KIND",
          fmt::format("{} is no kind this data plane knows: update the data plane", object.kind)};
  }
}

std::string StringOf(const PublicKey& key) {
  const auto bytes = key.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string GrantObjectKey(const PublicKey& peer, std::string_view resource_id) {
  return StringOf(peer).append(resource_id);
}

access::GrantKey SplitGrantKey(std::string_view key) {
  access::GrantKey grant;
  if (key.size() > kKeySize) {
    grant.peer = PublicKey::FromBytes(AsBytes(key.substr(0, kKeySize))).value_or(PublicKey());
    grant.resource_id = key.substr(kKeySize);
  }
  return grant;
}

std::string Describe(const ObjectId& id) {
  switch (id.kind) {
    case kInterfaceKind:
      return "interface";
    case kPeerKind:
      if (const auto key = PublicKey::FromBytes(AsBytes(id.key))) {
        return "peer " + key->ToBase64();
      }
      return "peer with a malformed key";
    case kResourceKind:
      return "resource " + id.key;
    case kGrantKind: {
      const access::GrantKey key = SplitGrantKey(id.key);
      return fmt::format("grant of {} to {}", key.resource_id, key.peer.ToBase64());
    }
    default:
      return fmt::format("object of unknown kind {}", id.kind);
  }
}

}  // namespace adit::rpc
