#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controlplane/model/change.h"

namespace adit::model {

// Adds to the change the policy without the member, or its deletion when no other is left: a policy
// without peers or resources says nothing.
inline void RemoveMember(Policy policy, std::vector<std::string> Policy::*members,
                         std::string_view member, Change& change) {
  std::erase(policy.*members, member);
  if ((policy.*members).empty()) {
    change.policies.deletes.push_back(std::move(policy.name));
    return;
  }
  policy.revision = change.revision;
  change.policies.upserts.push_back(std::move(policy));
}

}  // namespace adit::model
