#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace adit::config {

// The candidate at most two edits (letters put in, left out or replaced) from what was typed; the
// first of the nearest. nullopt when none is that near.
[[nodiscard]] std::optional<std::string_view> Nearest(std::string_view typed,
                                                      std::span<const std::string_view> candidates);

}  // namespace adit::config
