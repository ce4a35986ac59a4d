#pragma once

#include <string.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/ip_address.h"
#include "common/key.h"
#include "common/time.h"
#include "controlplane/model/network.h"

// What an operator made: the desired state, as values. Names are lower-case RFC 1123 labels,
// unique among objects of a type. `revision` is the store's revision that last changed the object;
// its decimal text is the etag.
namespace adit::model {

// A host that runs a pair.
struct Node {
  std::string name;
  PublicKey public_key;  // pinned by the first Hello
  // HOST:PORT that clients dial; empty: peers cannot be created on it. An operator's setting
  // holds until the data plane reports another than `reported_advertise`.
  std::string advertise;
  std::string reported_advertise;
  TunnelAddresses addresses;
  std::uint16_t listen_port = 0;  // as last reported
  std::uint32_t mtu = 0;          // as last reported
  WallTime created;
  std::uint64_t revision = 0;
  friend bool operator==(const Node&, const Node&) = default;
};

// 32 secret bytes that both ends of a tunnel mix in: wiped on destruction, with no text form.
class PresharedKey {
 public:
  explicit PresharedKey(std::span<const std::uint8_t, kKeySize> bytes) {
    std::copy(bytes.begin(), bytes.end(), bytes_.begin());
  }
  PresharedKey(const PresharedKey&) = default;
  PresharedKey& operator=(const PresharedKey&) = default;
  ~PresharedKey() { explicit_bzero(bytes_.data(), bytes_.size()); }
  [[nodiscard]] std::span<const std::uint8_t, kKeySize> bytes() const { return bytes_; }
  friend bool operator==(const PresharedKey&, const PresharedKey&) = default;

 private:
  std::array<std::uint8_t, kKeySize> bytes_{};
};

// A stock WireGuard client. Its private key never gets here.
struct Peer {
  std::string name;
  PublicKey public_key;
  std::optional<PresharedKey> preshared_key;
  std::string node;  // the gateway it belongs to
  TunnelAddresses addresses;
  std::optional<Endpoint> endpoint;
  std::uint16_t keepalive = 0;  // seconds, for the client's file; 0: none
  // Revision at the last export of its file: resources whose destinations changed since are not
  // in it. An export does not change `revision`. 0: never, or moved to another node since.
  std::uint64_t exported_revision = 0;
  WallTime created;
  std::uint64_t revision = 0;
  friend bool operator==(const Peer&, const Peer&) = default;
};

struct Allow {
  enum class Protocol : std::uint8_t { kTcp = 1, kUdp = 2, kIcmp = 3 };
  Protocol protocol = Protocol::kTcp;
  std::uint16_t first_port = 0;  // TCP and UDP: 1..65535, inclusive; ICMP: 0
  std::uint16_t last_port = 0;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 reads a null pointer into it
  friend auto operator<=>(const Allow&, const Allow&) = default;
};

// Destinations behind a node.
struct Resource {
  std::string name;
  std::string node;
  std::vector<IpPrefix> cidrs;  // at least one
  bool allow_all = false;       // else only what `allow` lists passes
  std::vector<Allow> allow;
  bool nat = true;
  std::uint64_t destinations_revision = 0;  // last change of cidrs or node
  WallTime created;
  std::uint64_t revision = 0;
  friend bool operator==(const Resource&, const Resource&) = default;
};

// Each of the peers may reach each of the resources (where both are on the same node).
struct Policy {
  std::string name;
  std::vector<std::string> peers;      // sorted, at least one
  std::vector<std::string> resources;  // sorted, at least one
  bool disabled = false;
  std::optional<WallTime> expires;
  WallTime created;
  std::uint64_t revision = 0;
  friend bool operator==(const Policy&, const Policy&) = default;
};

[[nodiscard]] inline std::string EtagOf(std::uint64_t revision) { return std::to_string(revision); }

}  // namespace adit::model
