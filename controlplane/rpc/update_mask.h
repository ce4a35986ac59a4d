#pragma once

#include <initializer_list>
#include <set>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

#include "google/protobuf/field_mask.pb.h"

namespace adit::hub {

// One field that an update may name, and whether the request's object has it: with an empty mask
// every field that is present is meant.
struct MutableField {
  std::string_view path;
  bool is_present = false;
};

// The paths an update is about. INVALID_ARGUMENT naming update_mask for a path that does not exist
// or cannot be changed, and when nothing is left.
[[nodiscard]] absl::StatusOr<std::set<std::string, std::less<>>> MeantFields(
    const google::protobuf::FieldMask& mask, std::initializer_list<MutableField> fields);

}  // namespace adit::hub
