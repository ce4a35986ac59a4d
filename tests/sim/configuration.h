#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/ip_address.h"
#include "common/key.h"
#include "common/time.h"
#include "dataplane/access/config.h"
#include "dataplane/engine/config.h"

namespace adit::sim {

// An inner packet's addresses, protocol and ports, as its sender sees them. For ICMP echo both
// ports are the identifier.
struct Tuple {
  IpAddress source;
  IpAddress destination;
  std::uint8_t protocol = 17;
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;

  [[nodiscard]] Tuple Reversed() const {
    return {destination, source, protocol, destination_port, source_port};
  }
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 reads a null pointer into it
  friend auto operator<=>(const Tuple&, const Tuple&) = default;
};

// What a host was told: the desired state, in plain words. The engine is given it as updates; the
// reference model reads it directly, by linear search. Peers are named by the number of their host.
struct Configuration {
  struct Peer {
    PublicKey key;
    std::optional<Endpoint> endpoint;
    std::optional<std::array<std::uint8_t, 32>> preshared_key;
    std::vector<IpPrefix> prefixes;
    std::uint16_t persistent_keepalive = 0;
  };
  std::map<std::size_t, Peer> peers;
  bool enforces_access = false;
  std::map<std::string, access::ResourceConfig> resources;
  // By peer and resource: until when, by the host's boot clock.
  std::map<std::pair<std::size_t, std::string>, Instant> grants;

  // --- what the reference model asks
  // The peer with the longest prefix that holds the address.
  [[nodiscard]] std::optional<std::size_t> OwnerOf(const IpAddress& address) const;
  // The peer may reach the far end of this flow, which it opened or opens.
  [[nodiscard]] bool Grants(std::size_t peer, const Tuple& from_peer, Instant now) const;

  // --- what the engine is given
  [[nodiscard]] engine::PeerPatch PatchOf(std::size_t peer) const;
  [[nodiscard]] engine::Update Snapshot() const;
};

}  // namespace adit::sim
