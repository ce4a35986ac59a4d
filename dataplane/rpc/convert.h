#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "dataplane/rpc/object.h"
#include "dataplane/state/view.h"

// Where protobuf stops: an object's bytes become a plain value, or a problem. Fails closed: what is
// absent, unknown, out of range or not understood is refused, never read as "everything". That
// includes fields that a newer control plane may know: they could restrict.
namespace adit::rpc {

// Judges the object by itself; what depends on other objects is DesiredState's.
// nullopt: `out` holds it.
[[nodiscard]] std::optional<Problem> ParseObject(const state::ObjectView& object,
                                                 const Limits& limits, ParsedObject& out);

// The key's 32 bytes, as protobuf has them.
[[nodiscard]] std::string StringOf(const PublicKey& key);
// The key of a grant: the peer's 32 bytes, then the resource's id.
[[nodiscard]] std::string GrantObjectKey(const PublicKey& peer, std::string_view resource_id);
// Of a key that ParseObject accepted.
[[nodiscard]] access::GrantKey SplitGrantKey(std::string_view key);

// An object for people: "peer AbC…=", "resource 7", "grant of 7 to AbC…=", "interface".
[[nodiscard]] std::string Describe(const ObjectId& id);

}  // namespace adit::rpc
