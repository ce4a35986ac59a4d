#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "common/time.h"
#include "controlplane/model/state.h"

// Requests about peers. Each judges the request against the state and returns what to store; the
// state stays as it is. Errors are error.h's refusals.
namespace adit::model {

struct PeerCreate {
  std::string name;
  std::string public_key;                    // base64
  std::optional<std::string> preshared_key;  // base64
  std::string node;                          // empty: the only node there is
  std::optional<std::string> endpoint;       // numeric HOST:PORT
  std::optional<std::uint32_t> keepalive;    // seconds, 1..65535
};
// Gives it addresses, and counts as an export of its file.
// FAILED_PRECONDITION (NODE_REQUIRED) when no node is named and there is none or several (names
// --gateway), (NO_ADVERTISE) when the node has no advertised endpoint.
absl::StatusOr<Change> CreatePeer(const State& state, const PeerCreate& create, WallTime now);

// A field that is set is in the update mask; an inner nullopt clears it.
struct PeerUpdate {
  std::string name;
  std::string etag;  // empty: not compared
  std::optional<std::string> node;
  std::optional<std::optional<std::string>> endpoint;
  std::optional<std::optional<std::uint32_t>> keepalive;
};
absl::StatusOr<Change> UpdatePeer(const State& state, const PeerUpdate& update);

// Another public key under the same name and addresses. The preshared key stays unless a new one
// is given or its removal is asked for (not both). Counts as an export of its file.
struct PeerRotate {
  std::string name;
  std::string etag;
  std::string public_key;
  std::optional<std::string> preshared_key;
  bool remove_preshared_key = false;
};
absl::StatusOr<Change> RotatePeer(const State& state, const PeerRotate& rotate);

// Takes the peer out of its policies too, and deletes a policy that has no other peer.
absl::StatusOr<Change> DeletePeer(const State& state, std::string_view name, std::string_view etag);

// Remembers that a file with every resource of its node was made; empty when that is known. The
// etag stays as it is, and no view changes.
absl::StatusOr<Change> RecordExport(const State& state, std::string_view name);

// Resources of its node that came, or whose destinations changed, after the last export.
[[nodiscard]] std::vector<std::string> NotInExport(const State& state, const Peer& peer);

}  // namespace adit::model
