#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <google/protobuf/message.h>

#include "controlplane/cli/session.h"
#include "controlplane/cli/table.h"

namespace adit::cli {

// Proto-JSON with every plain field present, so that scripts may rely on it. Indented, or one line.
[[nodiscard]] std::string ToJson(const google::protobuf::Message& message, bool is_indented);
// The same values as YAML, in the same order.
[[nodiscard]] std::string ToYaml(const google::protobuf::Message& message);

// Prints message as JSON or YAML if that was asked for; false otherwise.
bool PrintStructured(Session& session, const google::protobuf::Message& message);

}  // namespace adit::cli
