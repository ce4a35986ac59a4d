#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <absl/status/statusor.h>

#include "common/time.h"
#include "controlplane/model/state.h"

// Requests about nodes. Each judges the request against the state and returns what to store; the
// state stays as it is. Errors are error.h's refusals.
namespace adit::model {

// What a data plane says of itself when it connects.
struct NodeHello {
  std::string name;
  std::string public_key;  // 32 bytes
  std::string advertise;   // empty: none
  std::uint16_t listen_port = 0;
  std::uint32_t mtu = 0;
};

// The first Hello under a name registers the node, pins its key and gives it addresses; a later
// one brings what it reports up to date (often nothing: an empty change).
// FAILED_PRECONDITION (KEY_PINNED) for another key under that name: the text names
// `aditctl node update NAME --public-key`. ALREADY_EXISTS (KEY_IN_USE) for the key of another
// node or of a peer. INVALID_ARGUMENT for a bad name, key or advertise. RESOURCE_EXHAUSTED.
absl::StatusOr<Change> RegisterNode(const State& state, const NodeHello& hello, WallTime now);

// A field that is set is in the update mask.
struct NodeUpdate {
  std::string name;
  std::string etag;                       // empty: not compared
  std::optional<std::string> public_key;  // base64
  std::optional<std::string> advertise;   // "": none
};
absl::StatusOr<Change> UpdateNode(const State& state, const NodeUpdate& update);

// FAILED_PRECONDITION (NODE_IN_USE) while peers or resources belong to it. A data plane that is
// still connected registers again with its next Hello.
absl::StatusOr<Change> DeleteNode(const State& state, std::string_view name, std::string_view etag);

}  // namespace adit::model
