#include "controlplane/rpc/update_mask.h"

#include <algorithm>

#include <fmt/format.h>

#include "controlplane/rpc/rich_status.h"

namespace adit::hub {

absl::StatusOr<std::set<std::string, std::less<>>> MeantFields(
    const google::protobuf::FieldMask& mask, std::initializer_list<MutableField> fields) {
  std::string known;
  for (const MutableField& field : fields) {
    known += (known.empty() ? "" : ", ") + std::string(field.path);
  }
  std::set<std::string, std::less<>> meant;
  for (const std::string& path : mask.paths()) {
    const bool is_known = std::any_of(fields.begin(), fields.end(),
                                      [&](const MutableField& f) { return f.path == path; });
    if (!is_known) {
      return BadField("update_mask",
                      fmt::format("\"{}\" cannot be updated: expected some of {}", path, known));
    }
    meant.insert(path);
  }
  if (mask.paths().empty()) {
    for (const MutableField& field : fields) {
      if (field.is_present) {
        meant.emplace(field.path);
      }
    }
  }
  if (meant.empty()) {
    return BadField("update_mask", "nothing to update: expected some of " + known);
  }
  return meant;
}

}  // namespace adit::hub
