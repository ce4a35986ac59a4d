#pragma once

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <fmt/format.h>

#include "common/config/values.h"
#include "common/status.h"

// Bounds on a flag's value, on top of its type. Like ParseValue they say only what was expected.
namespace adit::config {

template <typename T>
using Check = std::function<absl::Status(const T&)>;

template <typename T>
[[nodiscard]] Check<T> Between(T low, T high) {
  return [low, high](const T& value) {
    return value >= low && value <= high
               ? absl::OkStatus()
               : InvalidArgument(
                     fmt::format("expected {} to {}", FormatValue(low), FormatValue(high)));
  };
}

[[nodiscard]] inline Check<std::string> OneOf(std::initializer_list<std::string_view> choices) {
  return [choices =
              std::vector<std::string>(choices.begin(), choices.end())](const std::string& value) {
    return std::ranges::find(choices, value) != choices.end()
               ? absl::OkStatus()
               : InvalidArgument(fmt::format("expected one of {}", fmt::join(choices, ", ")));
  };
}

[[nodiscard]] inline Check<std::string> NotEmpty() {
  return [](const std::string& value) {
    return value.empty() ? InvalidArgument("expected some text") : absl::OkStatus();
  };
}

[[nodiscard]] inline Check<std::string> AbsolutePath() {
  return [](const std::string& value) {
    return value.starts_with('/') ? absl::OkStatus()
                                  : InvalidArgument("expected a path that starts with /");
  };
}

}  // namespace adit::config
