#include "controlplane/cli/times.h"

#include <time.h>

#include <fmt/format.h>

#include "common/config/values.h"
#include "common/status.h"

namespace adit::cli {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;

std::optional<WallTime> ParseUtc(const std::string& text) {
  for (const char* format : {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"}) {
    tm parts{};
    const char* end = strptime(text.c_str(), format, &parts);
    if (end == nullptr || *end != '\0') {
      continue;
    }
    const int day = parts.tm_mday;
    const time_t moment = timegm(&parts);
    // timegm turns the 31st of February into a day of March.
    if (parts.tm_mday != day || moment < 0 || moment > INT64_MAX / kNsPerSecond) {
      return std::nullopt;
    }
    return WallTime(seconds(moment));
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<WallTime> ParseMoment(std::string_view text, WallTime now) {
  Duration from_now{};
  std::optional<WallTime> moment;
  if (config::ParseValue(text, &from_now).ok()) {
    if (from_now < Duration::max() - now.since_epoch()) {
      moment = now + from_now;
    }
  } else {
    moment = ParseUtc(std::string(text));
  }
  if (!moment) {
    return InvalidArgument(
        "expected a time from now like 8h or 30d, or UTC like 2026-01-02T03:04:05Z");
  }
  if (*moment <= now) {
    return InvalidArgument("expected a time in the future");
  }
  return *moment;
}

std::string FormatMoment(std::int64_t unix_ns) {
  const time_t moment = unix_ns / kNsPerSecond;
  tm parts{};
  gmtime_r(&moment, &parts);
  char text[32];
  const std::size_t size = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text, size};
}

std::string FormatAge(std::int64_t unix_ns, WallTime now) {
  const auto age = std::chrono::duration_cast<seconds>(now - WallTime(Duration(unix_ns))).count();
  struct Unit {
    std::int64_t length;
    char letter;
  };
  for (const Unit unit : {Unit{86'400, 'd'}, Unit{3'600, 'h'}, Unit{60, 'm'}}) {
    if (age >= unit.length) {
      return fmt::format("{}{}", age / unit.length, unit.letter);
    }
  }
  return fmt::format("{}s", age < 0 ? 0 : age);
}

std::string FormatMomentAndAge(std::int64_t unix_ns, WallTime now) {
  return fmt::format("{} ({} ago)", FormatMoment(unix_ns), FormatAge(unix_ns, now));
}

}  // namespace adit::cli
