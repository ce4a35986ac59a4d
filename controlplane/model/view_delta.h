#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controlplane/model/change.h"
#include "controlplane/model/state.h"
#include "controlplane/model/view.h"

namespace adit::model {

// How a change alters one node's view.
struct NodeDelta {
  std::string node;
  std::vector<ObjectId> removals;   // ordered by id
  std::vector<ViewObject> upserts;  // ordered by id
  // Somebody may reach less than before: a grant is gone or ends earlier, or a resource with
  // grants lost prefixes or allowed traffic.
  bool takes_rights = false;
  // takes_rights: until when a data plane that never hears of it would go on; nullopt: for ever.
  std::optional<WallTime> rights_until;
};

// Puts the change in place (it is stored already) and returns the nodes whose views differ,
// ordered by name; a node that the change deletes is not among them. The cost is what the change
// touches: neither the number of peers nor of nodes enters, a policy's pairs only where the pair
// itself is affected.
std::vector<NodeDelta> ApplyChange(State& state, Change change);

}  // namespace adit::model
