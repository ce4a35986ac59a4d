#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

#include "common/time.h"

namespace adit::cli {

// A moment from now ("8h", "30d") or in UTC ("2026-01-02", "2026-01-02T03:04:05Z"), for --expires.
// INVALID_ARGUMENT says only what was expected; a moment that is not after now is refused too.
[[nodiscard]] absl::StatusOr<WallTime> ParseMoment(std::string_view text, WallTime now);

// "2026-01-02T03:04:05Z"
[[nodiscard]] std::string FormatMoment(std::int64_t unix_ns);
// "3m" for what was 200 s before now, the largest unit only; "0s" for the future.
[[nodiscard]] std::string FormatAge(std::int64_t unix_ns, WallTime now);
// "2026-01-02T03:04:05Z (3m ago)"
[[nodiscard]] std::string FormatMomentAndAge(std::int64_t unix_ns, WallTime now);

}  // namespace adit::cli
