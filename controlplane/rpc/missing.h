#pragma once

#include <string_view>

#include <absl/status/status.h>
#include <fmt/format.h>

#include "controlplane/model/error.h"

namespace adit::hub {

// NOT_FOUND: "there is no peer \"alice\"".
[[nodiscard]] inline absl::Status Missing(std::string_view noun, std::string_view name) {
  return model::Refusal(absl::StatusCode::kNotFound, model::kNotFound,
                        fmt::format("there is no {} \"{}\"", noun, name));
}

}  // namespace adit::hub
