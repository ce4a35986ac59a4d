#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/ip_address.h"
#include "common/key.h"
#include "common/time.h"
#include "dataplane/access/config.h"
#include "dataplane/crypto/secret.h"

// The objects of a view as plain values, and what is said about one that is refused.
namespace adit::rpc {

// The numbers of adit.dataplane.v1.ObjectKind.
inline constexpr std::uint32_t kInterfaceKind = 1;
inline constexpr std::uint32_t kPeerKind = 2;
inline constexpr std::uint32_t kResourceKind = 3;
inline constexpr std::uint32_t kGrantKind = 4;

struct ObjectId {
  std::uint32_t kind = 0;  // as received: may be none of the above
  std::string key;

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 reads a null pointer into it
  friend auto operator<=>(const ObjectId&, const ObjectId&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const ObjectId& id) {
    return H::combine(std::move(h), id.kind, id.key);
  }
};

// Why an object is not accepted: the path of the field in its body, a code in UPPER_SNAKE_CASE and
// a sentence.
struct Problem {
  std::string field;
  std::string code;
  std::string text;
};

struct Rejection {
  ObjectId object;
  Problem problem;
  std::vector<ObjectId> cured_by;  // a change of one of these may make it acceptable
};

struct InterfaceObject {
  std::vector<IpPrefix> addresses;  // /32 and /128
  std::vector<IpPrefix> tunnel_ranges;
};

struct PeerObject {
  PublicKey public_key;
  std::optional<crypto::SymmetricKey> preshared_key;
  std::optional<Endpoint> endpoint;
  std::uint16_t persistent_keepalive = 0;  // seconds; 0: off
  std::vector<IpPrefix> allowed_ips;
};

struct GrantObject {
  PublicKey peer;
  std::string resource_id;
  std::optional<WallTime> expires_at;
};

using ParsedObject = std::variant<InterfaceObject, PeerObject, access::ResourceConfig, GrantObject>;

// What the data plane's own flags allow the control plane to ask for.
struct Limits {
  PublicKey own_key;                    // never a peer
  std::vector<IpPrefix> tunnel_ranges;  // tunnel addresses lie inside, resources outside
  std::size_t max_peers = 65'536;
  std::size_t max_resources = 16'384;
  std::size_t max_grants = std::size_t{1} << 20;
  std::size_t max_body_bytes = std::size_t{256} << 10;
  std::size_t max_state_bytes = std::size_t{256} << 20;  // keys and bodies
};

}  // namespace adit::rpc
