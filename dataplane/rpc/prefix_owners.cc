#include "dataplane/rpc/prefix_owners.h"

namespace adit::rpc {

std::optional<PrefixOwners::Held> PrefixOwners::FindOverlap(const IpPrefix& prefix,
                                                            const PublicKey& owner) const {
  // Itself and those inside it follow in the map's order: by address, then by length.
  for (auto it = owners_.lower_bound(prefix);
       it != owners_.end() && prefix.Contains(it->first.address()); ++it) {
    if (it->second != owner) {
      return *it;
    }
  }
  // Those around it are found by their length; only lengths in use are tried.
  const LengthCounts& lengths = LengthsOf(prefix.family());
  for (unsigned length = 0; length <= prefix.length(); ++length) {
    if (lengths[length] == 0) {
      continue;
    }
    const auto around = owners_.find(IpPrefix(prefix.address(), length));
    if (around != owners_.end() && around->second != owner) {
      return *around;
    }
  }
  return std::nullopt;
}

void PrefixOwners::Insert(const IpPrefix& prefix, const PublicKey& owner) {
  if (owners_.try_emplace(prefix, owner).second) {
    ++LengthsOf(prefix.family())[prefix.length()];
  }
}

void PrefixOwners::Erase(const IpPrefix& prefix) {
  if (owners_.erase(prefix) != 0) {
    --LengthsOf(prefix.family())[prefix.length()];
  }
}

}  // namespace adit::rpc
