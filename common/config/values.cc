#include "common/config/values.h"

#include <array>
#include <cctype>
#include <charconv>
#include <limits>

#include <fmt/format.h>

#include "common/status.h"

namespace adit::config {
namespace {

template <typename T>
std::optional<T> WholeNumber(std::string_view text) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

template <typename T>
absl::Status ParseNumber(std::string_view text, T* out) {
  const auto value = WholeNumber<T>(text);
  if (!value) {
    return InvalidArgument(
        fmt::format("expected a whole number from 0 to {}", std::numeric_limits<T>::max()));
  }
  *out = *value;
  return absl::OkStatus();
}

struct Unit {
  std::string_view name;
  Duration length;
};
constexpr std::array<Unit, 5> kUnits{{{"d", seconds(86'400)},
                                      {"h", seconds(3'600)},
                                      {"m", seconds(60)},
                                      {"s", seconds(1)},
                                      {"ms", milliseconds(1)}}};

std::optional<Duration> LengthOf(std::string_view unit) {
  for (const Unit& known : kUnits) {
    if (known.name == unit) {
      return known.length;
    }
  }
  return std::nullopt;
}

std::optional<Duration> ParseDuration(std::string_view text) {
  if (text == "0") {
    return Duration(0);
  }
  if (text.empty()) {
    return std::nullopt;
  }
  Duration total(0);
  while (!text.empty()) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const std::size_t end = std::min(text.find_first_of("0123456789", digits), text.size());
    const auto count = WholeNumber<std::int64_t>(text.substr(0, digits));
    const auto length = LengthOf(text.substr(digits, end - digits));
    if (!count || !length || *count > (Duration::max() - total) / *length) {
      return std::nullopt;
    }
    total += *count * *length;
    text.remove_prefix(end);
  }
  return total;
}

bool IsHostName(std::string_view host) {
  if (host.empty() || host.size() > 253 || host.front() == '-' || host.front() == '.') {
    return false;
  }
  for (const char c : host) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '.' && c != '_') {
      return false;
    }
  }
  return true;
}

std::optional<HostPort> ParseHostPort(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return std::nullopt;
  }
  const auto port = WholeNumber<std::uint16_t>(text.substr(colon + 1));
  std::string_view host = text.substr(0, colon);
  const bool is_bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (is_bracketed) {
    host = host.substr(1, host.size() - 2);
    const auto address = IpAddress::Parse(host.substr(0, host.find('%')));
    if (!address || !address->is_v6()) {
      return std::nullopt;
    }
  } else if (!IsHostName(host)) {
    return std::nullopt;
  }
  return port ? std::optional(HostPort{std::string(host), *port}) : std::nullopt;
}

}  // namespace

absl::Status ParseValue(std::string_view text, std::string* out) {
  if (text.find('\0') != std::string_view::npos) {
    return InvalidArgument("expected text without NUL");
  }
  *out = text;
  return absl::OkStatus();
}

absl::Status ParseValue(std::string_view text, bool* out) {
  const bool is_on = text == "on" || text == "true";
  if (!is_on && text != "off" && text != "false") {
    return InvalidArgument("expected on or off");
  }
  *out = is_on;
  return absl::OkStatus();
}

absl::Status ParseValue(std::string_view text, std::uint16_t* out) {
  return ParseNumber(text, out);
}
absl::Status ParseValue(std::string_view text, std::uint32_t* out) {
  return ParseNumber(text, out);
}
absl::Status ParseValue(std::string_view text, std::uint64_t* out) {
  return ParseNumber(text, out);
}

absl::Status ParseValue(std::string_view text, Duration* out) {
  const auto value = ParseDuration(text);
  if (!value) {
    return InvalidArgument("expected a duration like 500ms, 10s, 1m30s, 2h or 7d");
  }
  *out = *value;
  return absl::OkStatus();
}

absl::Status ParseValue(std::string_view text, Toggle* out) {
  if (text == "auto") {
    *out = Toggle::kAuto;
    return absl::OkStatus();
  }
  bool is_on = false;
  if (!ParseValue(text, &is_on).ok()) {
    return InvalidArgument("expected auto, on or off");
  }
  *out = is_on ? Toggle::kOn : Toggle::kOff;
  return absl::OkStatus();
}

absl::Status ParseValue(std::string_view text, IpPrefix* out) {
  const auto prefix = IpPrefix::Parse(text);
  if (!prefix) {
    return InvalidArgument("expected a prefix like 10.0.0.0/8 or fd00::/8");
  }
  if (IpAddress::Parse(text.substr(0, text.find('/'))) != prefix->address()) {
    return InvalidArgument(fmt::format(
        "expected a prefix whose bits past its length are zero, as in {}", prefix->ToString()));
  }
  *out = *prefix;
  return absl::OkStatus();
}

absl::Status ParseValue(std::string_view text, HostPort* out) {
  auto value = ParseHostPort(text);
  if (!value) {
    return InvalidArgument("expected HOST:PORT, as in gw.example.com:51820 or [2001:db8::1]:51820");
  }
  *out = *std::move(value);
  return absl::OkStatus();
}

absl::Status ParseValue(std::string_view text, SocketAddress* out) {
  // sockaddr_un has 108 bytes for the path and its terminator.
  constexpr std::size_t kLongestUnixPath = 107;
  SocketAddress value;
  if (text.starts_with("unix:/") && text.size() - 5 <= kLongestUnixPath &&
      text.find('\0') == std::string_view::npos) {
    value.unix_path = text.substr(5);
  } else if (const auto tcp =
                 text.starts_with("tcp:") ? ParseHostPort(text.substr(4)) : std::nullopt) {
    value.tcp = *tcp;
  } else {
    return InvalidArgument(
        fmt::format("expected unix:/PATH (at most {} bytes) or tcp:HOST:PORT", kLongestUnixPath));
  }
  *out = std::move(value);
  return absl::OkStatus();
}

std::string FormatValue(const std::string& value) { return value; }
std::string FormatValue(bool value) { return value ? "on" : "off"; }
std::string FormatValue(std::uint64_t value) { return fmt::to_string(value); }

std::string FormatValue(Duration value) {
  if (value < milliseconds(1)) {
    return "0";
  }
  std::string text;
  for (const Unit& unit : kUnits) {
    if (const auto count = value / unit.length; count > 0) {
      text += fmt::format("{}{}", count, unit.name);
      value -= count * unit.length;
    }
  }
  return text;
}

std::string FormatValue(Toggle value) {
  return value == Toggle::kAuto ? "auto" : FormatValue(value == Toggle::kOn);
}

std::string FormatValue(const IpPrefix& value) { return value.ToString(); }

std::string FormatValue(const HostPort& value) {
  if (value.host.empty()) {
    return {};
  }
  return value.host.find(':') == std::string::npos ? fmt::format("{}:{}", value.host, value.port)
                                                   : fmt::format("[{}]:{}", value.host, value.port);
}

std::string FormatValue(const SocketAddress& value) {
  if (value.is_unix()) {
    return "unix:" + value.unix_path;
  }
  return value.tcp.host.empty() ? std::string() : "tcp:" + FormatValue(value.tcp);
}

}  // namespace adit::config
