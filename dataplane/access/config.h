#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/ip_address.h"
#include "common/key.h"
#include "common/time.h"

// Plain inputs of the access layer: what the control plane decided, without protobuf.
namespace adit::access {

// One permitted protocol and, for TCP and UDP, an inclusive port range. ICMP stands for ICMP in
// IPv4 and ICMPv6 in IPv6 (echo and its errors).
struct TrafficRule {
  enum class Protocol : std::uint8_t { kTcp, kUdp, kIcmp };
  Protocol protocol = Protocol::kTcp;
  std::uint16_t first_port = 0;
  std::uint16_t last_port = 0;
  friend bool operator==(const TrafficRule&, const TrafficRule&) = default;
};

// What may pass toward a resource. Neither allow_all nor a rule: nothing (unset means deny).
struct TrafficFilter {
  bool allow_all = false;
  std::vector<TrafficRule> rules;
  friend bool operator==(const TrafficFilter&, const TrafficFilter&) = default;
};

// Destinations behind this gateway.
struct ResourceConfig {
  std::string id;
  std::vector<IpPrefix> prefixes;
  TrafficFilter filter;
  bool nat = true;
};

// A peer may reach a resource, until the deadline.
struct GrantConfig {
  PublicKey peer;
  std::string resource_id;
  Instant deadline = Instant::Max();
};

struct GrantKey {
  PublicKey peer;
  std::string resource_id;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 reads a null pointer into it
  friend auto operator<=>(const GrantKey&, const GrantKey&) = default;
};

}  // namespace adit::access
