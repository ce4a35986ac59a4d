#include "controlplane/model/fields.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace adit::model {
namespace {

bool IsLowerAlphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool IsHostName(std::string_view host) {
  if (host.empty() || host.size() > 253) {
    return false;
  }
  bool label_ends = true;  // at '-' or the start of a label
  for (const char c : host) {
    const bool is_alphanumeric = IsLowerAlphanumeric(c) || (c >= 'A' && c <= 'Z');
    if (!is_alphanumeric && c != '-' && c != '.') {
      return false;
    }
    if ((c == '.' || c == '-') && label_ends) {
      return false;
    }
    label_ends = c == '.';
  }
  const bool is_only_digits_and_dots = host.find_first_not_of("0123456789.") == std::string::npos;
  return host.back() != '-' && host.back() != '.' && !is_only_digits_and_dots;
}

std::optional<std::uint16_t> ParsePort(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port != 0 ? std::optional(port)
                                                                               : std::nullopt;
}

// Untrusted text in a message: bounded and printable.
std::string Quote(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text.substr(0, 100)) {
    quoted += c >= 0x20 && c != 0x7f ? c : '?';
  }
  return quoted + (text.size() > 100 ? "…\"" : "\"");
}

// Destinations that are the host itself, its link or a group: never behind a gateway.
struct Forbidden {
  IpPrefix prefix;
  const char* what;
};
std::span<const Forbidden> ForbiddenDestinations() {
  static const Forbidden kForbidden[] = {
      {IpPrefix::Parse("0.0.0.0/8").value(), "this host itself"},
      {IpPrefix::Parse("127.0.0.0/8").value(), "loopback"},
      {IpPrefix::Parse("169.254.0.0/16").value(), "link-local"},
      {IpPrefix::Parse("224.0.0.0/4").value(), "multicast"},
      {IpPrefix::Parse("255.255.255.255/32").value(), "broadcast"},
      {IpPrefix::Parse("::/128").value(), "unspecified"},
      {IpPrefix::Parse("::1/128").value(), "loopback"},
      {IpPrefix::Parse("::ffff:0.0.0.0/96").value(), "IPv4-mapped; write it as IPv4"},
      {IpPrefix::Parse("fe80::/10").value(), "link-local"},
      {IpPrefix::Parse("ff00::/8").value(), "multicast"}};
  return kForbidden;
}

// Empty: nothing is wrong.
std::string ProblemOfDestination(const IpPrefix& prefix, const Network& network) {
  if (prefix.length() == 0) {
    return "a default route cannot be a resource: name the networks behind the node";
  }
  for (const Forbidden& forbidden : ForbiddenDestinations()) {
    if (prefix.Overlaps(forbidden.prefix)) {
      return fmt::format("{} overlaps {} ({}), which is never behind a node", prefix.ToString(),
                         forbidden.prefix.ToString(), forbidden.what);
    }
  }
  for (const IpPrefix& range : network.ranges()) {
    if (prefix.Overlaps(range)) {
      return fmt::format("{} overlaps the tunnel range {}", prefix.ToString(), range.ToString());
    }
  }
  return {};
}

std::optional<IpPrefix> ParseCidr(const std::string& text, std::string& problem) {
  const auto prefix = IpPrefix::Parse(text);
  if (!prefix) {
    problem = fmt::format("{} is no address or prefix; expected such as 10.0.0.0/8 or fd00::7",
                          Quote(text));
    return std::nullopt;
  }
  const auto address = IpAddress::Parse(std::string_view(text).substr(0, text.find('/')));
  if (address && *address != prefix->address()) {
    problem = fmt::format("{} has host bits set: say {} for the network or {} for the host",
                          Quote(text), prefix->ToString(), address->ToString());
    return std::nullopt;
  }
  return prefix;
}

}  // namespace

void CheckName(std::string_view name, std::string_view field, FieldErrors& errors) {
  const bool is_name = !name.empty() && name.size() <= 63 && name.front() != '-' &&
                       name.back() != '-' && std::all_of(name.begin(), name.end(), [](char c) {
                         return IsLowerAlphanumeric(c) || c == '-';
                       });
  if (!is_name) {
    errors.Add(field, fmt::format("{} is no name: expected 1 to 63 lower-case letters, digits and "
                                  "'-', neither starting nor ending with '-'",
                                  Quote(name)));
  }
}

PublicKey ParsePublicKey(std::string_view base64, FieldErrors& errors) {
  const auto key = PublicKey::FromBase64(base64);
  if (!key) {
    errors.Add("public_key", "expected the 44 characters of base64 that `wg pubkey` prints");
  } else if (key->is_zero()) {
    errors.Add("public_key", "all zero is no public key");
  }
  return key.value_or(PublicKey());
}

std::optional<PresharedKey> ParsePresharedKey(const std::optional<std::string>& base64,
                                              FieldErrors& errors) {
  if (!base64) {
    return std::nullopt;
  }
  std::array<std::uint8_t, kKeySize> bytes{};
  std::optional<PresharedKey> key;
  if (!DecodeKeyBase64(*base64, bytes)) {
    errors.Add("preshared_key", "expected the 44 characters of base64 that `wg genpsk` prints");
  } else if (std::all_of(bytes.begin(), bytes.end(), [](auto b) { return b == 0; })) {
    errors.Add("preshared_key", "all zero: leave the field out for a peer without a preshared key");
  } else {
    key.emplace(bytes);
  }
  explicit_bzero(bytes.data(), bytes.size());
  return key;
}

std::optional<Endpoint> ParseEndpoint(const std::optional<std::string>& text,
                                      const Network& network, FieldErrors& errors) {
  if (!text) {
    return std::nullopt;
  }
  const auto endpoint = Endpoint::Parse(*text);
  if (!endpoint || endpoint->port == 0 || endpoint->scope != 0) {
    errors.Add("endpoint",
               fmt::format("{} is not a numeric ADDRESS:PORT or [ADDRESS]:PORT", Quote(*text)));
    return std::nullopt;
  }
  const IpAddress& address = endpoint->address;
  if (address.is_unspecified() || address.is_multicast() || address.is_v4_mapped()) {
    errors.Add("endpoint",
               fmt::format("{} is not an address that datagrams can be sent to", Quote(*text)));
  }
  for (const IpPrefix& range : network.ranges()) {
    if (range.Contains(address)) {
      errors.Add("endpoint",
                 fmt::format("{} lies in the tunnel range {}", Quote(*text), range.ToString()));
    }
  }
  return endpoint;
}

std::uint16_t ParseKeepalive(const std::optional<std::uint32_t>& keepalive, FieldErrors& errors) {
  if (!keepalive) {
    return 0;
  }
  if (*keepalive < 1 || *keepalive > 65'535) {
    errors.Add("keepalive",
               fmt::format("{} is not within 1 to 65535 seconds; leave the field out for none",
                           *keepalive));
    return 0;
  }
  return static_cast<std::uint16_t>(*keepalive);
}

void CheckAdvertise(std::string_view text, FieldErrors& errors) {
  const std::size_t colon = text.rfind(':');
  const std::string_view host = text.substr(0, std::min(colon, text.size()));
  const bool has_port =
      colon != std::string_view::npos && ParsePort(text.substr(colon + 1)).has_value();
  bool has_host = false;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    const auto address = IpAddress::Parse(host.substr(1, host.size() - 2));
    has_host = address && address->is_v6() && !address->is_unspecified() &&
               !address->is_multicast() && !address->is_v4_mapped();
  } else if (const auto address = IpAddress::Parse(host)) {
    // An IPv6 address without brackets cannot be told from its port.
    has_host = address->is_v4() && !address->is_unspecified() && !address->is_multicast();
  } else {
    has_host = IsHostName(host);
  }
  if (!has_host || !has_port) {
    errors.Add("advertise",
               fmt::format("{} is not a HOST:PORT that clients can dial; expected such as "
                           "gw.example.com:51820, 192.0.2.1:51820 or [2001:db8::1]:51820",
                           Quote(text)));
  }
}

std::vector<IpPrefix> ParseCidrs(std::span<const std::string> texts, const Network& network,
                                 FieldErrors& errors) {
  if (texts.empty()) {
    errors.Add("cidrs", "a resource has at least one address or prefix");
  }
  if (texts.size() > kMaxCidrs) {
    errors.Add("cidrs", fmt::format("more than {}: make several resources", kMaxCidrs));
    return {};
  }
  std::vector<IpPrefix> cidrs;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::string problem;
    const auto prefix = ParseCidr(texts[i], problem);
    if (prefix) {
      problem = ProblemOfDestination(*prefix, network);
      cidrs.push_back(*prefix);
    }
    if (!problem.empty()) {
      errors.Add(fmt::format("cidrs[{}]", i), problem);
    }
  }
  std::vector<IpPrefix> sorted = cidrs;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end()) {
    errors.Add("cidrs", fmt::format("{} is there twice", twice->ToString()));
  }
  return cidrs;
}

std::vector<Allow> ParseAllow(bool allow_all, std::span<const AllowRequest> requests,
                              FieldErrors& errors) {
  if (!allow_all && requests.empty()) {
    errors.Add("allow",
               "nothing is allowed by leaving it out: say what may pass (such as tcp:443), or all");
  }
  if (allow_all && !requests.empty()) {
    errors.Add("allow", "all and a list contradict each other: say one of them");
  }
  if (requests.size() > kMaxAllows) {
    errors.Add("allow", fmt::format("more than {} entries", kMaxAllows));
    return {};
  }
  std::vector<Allow> allow;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const AllowRequest& request = requests[i];
    const std::string path = fmt::format("allow[{}]", i);
    if (request.protocol < 1 || request.protocol > 3) {
      errors.Add(path + ".protocol",
                 fmt::format("{} is no protocol: expected TCP, UDP or ICMP", request.protocol));
      continue;
    }
    const auto protocol = static_cast<Allow::Protocol>(request.protocol);
    if (protocol == Allow::Protocol::kIcmp) {
      if (request.first_port != 0 || request.last_port != 0) {
        errors.Add(path + ".first_port", "ICMP has no ports");
      }
      allow.push_back({protocol, 0, 0});
      continue;
    }
    if (request.first_port < 1 || request.last_port > 65'535 ||
        request.first_port > request.last_port) {
      errors.Add(path + ".first_port", fmt::format("{}-{} is no port range within 1-65535",
                                                   request.first_port, request.last_port));
      continue;
    }
    allow.push_back({protocol, static_cast<std::uint16_t>(request.first_port),
                     static_cast<std::uint16_t>(request.last_port)});
  }
  std::vector<Allow> sorted = allow;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    errors.Add("allow", "an entry is there twice");
  }
  return allow;
}

std::vector<std::string> ParseMembers(std::vector<std::string> names, std::string_view field,
                                      FieldErrors& errors) {
  if (names.empty()) {
    errors.Add(field, "at least one is needed");
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    CheckName(names[i], fmt::format("{}[{}]", field, i), errors);
  }
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) {
    errors.Add(field, fmt::format("{} is there twice", Quote(*twice)));
  }
  return names;
}

absl::StatusOr<const Node*> ResolveNode(const State& state, std::string_view name,
                                        std::string_view flag) {
  if (!name.empty()) {
    const Node* node = state.FindNode(name);
    if (node == nullptr) {
      return Refusal(absl::StatusCode::kNotFound, kNotFound,
                     fmt::format("there is no node {}: see `aditctl node list`", Quote(name)),
                     {{"node", "does not exist"}});
    }
    return node;
  }
  if (state.nodes().size() == 1) {
    return &state.nodes().begin()->second;
  }
  const std::string message =
      state.nodes().empty()
          ? fmt::format(
                "there is no node yet: start a data plane with --node-name and "
                "--advertise, then name it with {}",
                flag)
          : fmt::format("there are {} nodes: name one with {} (see `aditctl node list`)",
                        state.nodes().size(), flag);
  return Refusal(absl::StatusCode::kFailedPrecondition, kNodeRequired, message,
                 {{"node", "required unless there is exactly one node"}});
}

absl::Status CheckKeyIsFree(const State& state, const PublicKey& key, std::string_view own_node,
                            std::string_view own_peer) {
  std::string holder;
  const Node* node = state.FindNodeByKey(key);
  const Peer* peer = state.FindPeerByKey(key);
  if (node != nullptr && node->name != own_node) {
    holder = "node " + node->name;
  } else if (peer != nullptr && peer->name != own_peer) {
    holder = "peer " + peer->name;
  } else {
    return absl::OkStatus();
  }
  return Refusal(
      absl::StatusCode::kAlreadyExists, kKeyInUse,
      fmt::format("this public key belongs to {}: every node and peer needs its own", holder),
      {{"public_key", "belongs to " + holder}});
}

absl::Status CheckEtag(std::uint64_t revision, std::string_view etag, std::string_view what,
                       std::string_view name) {
  if (etag.empty() || etag == EtagOf(revision)) {
    return absl::OkStatus();
  }
  return Refusal(
      absl::StatusCode::kAborted, kEtagMismatch,
      fmt::format("{} {} has changed since it was read: read it again, then retry", what, name),
      {{"etag", "does not match"}});
}

absl::Status NotFoundError(std::string_view what, std::string_view name) {
  return Refusal(absl::StatusCode::kNotFound, kNotFound,
                 fmt::format("there is no {} {}: see `aditctl {} list`", what, Quote(name), what));
}

absl::Status AlreadyExistsError(std::string_view what, std::string_view name) {
  return Refusal(
      absl::StatusCode::kAlreadyExists, kAlreadyExists,
      fmt::format("there is a {} {} already: choose another name, or update it", what, name),
      {{"name", "is taken"}});
}

}  // namespace adit::model
