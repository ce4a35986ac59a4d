#pragma once

#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/config/checks.h"
#include "common/config/values.h"
#include "common/status.h"

// How the parser sees a flag whatever its type.
namespace adit::config {

enum class Shape { kSwitch, kSingle, kOptional, kList, kTextList };

// One declared flag, to say more about it. Valid as long as its parser.
class FlagHandle {
 public:
  struct Traits {
    bool is_reloadable = false;
    bool is_command_line_only = false;
  };
  explicit FlagHandle(Traits* traits) : traits_(traits) {}
  // Reload may change it while the program runs.
  FlagHandle& Reloadable() {
    traits_->is_reloadable = true;
    return *this;
  }
  // Neither the environment nor the file sets it.
  FlagHandle& CommandLineOnly() {
    traits_->is_command_line_only = true;
    return *this;
  }

 private:
  Traits* traits_;
};

// A text that does not fit, and what was expected instead.
struct Misfit {
  std::string text;
  std::string expected;
};

// The typed end of a flag.
struct Binding {
  using Commit = std::function<void()>;
  using Texts = std::vector<std::string>;
  // Judges the texts (nullopt: not given, back to the default). Sets nothing itself: *commit does.
  std::function<std::optional<Misfit>(const std::optional<Texts>&, Commit* commit)> prepare;
  std::string default_text;  // for the help; empty: none
};

template <typename T>
struct Container {
  using Element = T;
  static constexpr Shape kShape = Shape::kSingle;
};
template <typename T>
struct Container<std::optional<T>> {
  using Element = T;
  static constexpr Shape kShape = Shape::kOptional;
};
template <typename T>
struct Container<std::vector<T>> {
  using Element = T;
  static constexpr Shape kShape = std::is_same_v<T, std::string> ? Shape::kTextList : Shape::kList;
};
template <typename T>
using ElementOf = typename Container<T>::Element;
template <typename T>
[[nodiscard]] constexpr Shape ShapeOf() {
  return Container<T>::kShape;
}

template <typename T>
[[nodiscard]] std::string DefaultText(const T& value) {
  if constexpr (ShapeOf<T>() == Shape::kSingle) {
    return FormatValue(value);
  } else if constexpr (ShapeOf<T>() == Shape::kOptional) {
    return value ? FormatValue(*value) : std::string();
  } else {
    std::string joined;
    for (const auto& element : value) {
      joined += (joined.empty() ? "" : ",") + FormatValue(element);
    }
    return joined;
  }
}

// target's present value is the default.
template <typename T>
[[nodiscard]] Binding MakeBinding(T* target, Check<ElementOf<T>> check) {
  Binding binding;
  binding.default_text = DefaultText(*target);
  binding.prepare = [target, initial = *target, check = std::move(check)](
                        const std::optional<Binding::Texts>& texts,
                        Binding::Commit* commit) -> std::optional<Misfit> {
    if (!texts) {
      *commit = [target, initial] { *target = initial; };
      return std::nullopt;
    }
    std::vector<ElementOf<T>> values;
    for (const std::string& text : *texts) {
      ElementOf<T> value{};
      absl::Status status = ParseValue(text, &value);
      if (status.ok() && check) {
        status = check(value);
      }
      if (!status.ok()) {
        return Misfit{text, MessageOf(status)};
      }
      values.push_back(std::move(value));
    }
    if constexpr (ShapeOf<T>() == Shape::kList || ShapeOf<T>() == Shape::kTextList) {
      *commit = [target, values = std::move(values)] { *target = values; };
    } else {
      *commit = [target, value = values.empty() ? ElementOf<T>{} : values.back()] {
        *target = value;
      };
    }
    return std::nullopt;
  };
  return binding;
}

}  // namespace adit::config
