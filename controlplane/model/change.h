#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "controlplane/model/records.h"

namespace adit::model {

// What one accepted request does to the desired state: whole records put in place and names taken
// away. Nothing of it is applied until the store has it (Store::Commit), then ApplyChange.
// Valid only for the State it was made from: the revision is that state's plus one, or that
// state's own where the change is empty.
struct Change {
  template <typename Record>
  struct Of {
    std::vector<Record> upserts;       // by name, replacing
    std::vector<std::string> deletes;  // names that exist
    [[nodiscard]] bool empty() const { return upserts.empty() && deletes.empty(); }
  };

  std::uint64_t revision = 0;
  Of<Node> nodes{};
  Of<Peer> peers{};
  Of<Resource> resources{};
  Of<Policy> policies{};

  // The request asked for what is already so: nothing to store, no revision is spent.
  [[nodiscard]] bool empty() const {
    return nodes.empty() && peers.empty() && resources.empty() && policies.empty();
  }
};

}  // namespace adit::model
