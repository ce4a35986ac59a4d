#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/ip_address.h"
#include "common/time.h"

// The values a flag may have, and their text. ParseValue either sets *out or returns
// INVALID_ARGUMENT whose message is only what was expected ("expected on or off"); whoever knows
// the key and the text given adds them. FormatValue gives text that ParseValue takes back.
namespace adit::config {

// auto: use it where a probe finds that it works.
enum class Toggle : std::uint8_t { kAuto, kOn, kOff };

// "HOST:PORT" or "[IPV6]:PORT"; the host is a name or an address, without the brackets.
struct HostPort {
  std::string host;
  std::uint16_t port = 0;
  friend bool operator==(const HostPort&, const HostPort&) = default;
};

// Where to listen or dial: "unix:/absolute/path" or "tcp:HOST:PORT".
struct SocketAddress {
  std::string unix_path;  // empty for tcp
  HostPort tcp;
  [[nodiscard]] bool is_unix() const { return !unix_path.empty(); }
  friend bool operator==(const SocketAddress&, const SocketAddress&) = default;
};

[[nodiscard]] absl::Status ParseValue(std::string_view text, std::string* out);
[[nodiscard]] absl::Status ParseValue(std::string_view text, bool* out);  // on|off, true|false
[[nodiscard]] absl::Status ParseValue(std::string_view text, std::uint16_t* out);
[[nodiscard]] absl::Status ParseValue(std::string_view text, std::uint32_t* out);
[[nodiscard]] absl::Status ParseValue(std::string_view text, std::uint64_t* out);
// "10s", "1m30s", "500ms": number and unit (ms s m h d), at least one, not negative. A bare 0 is 0.
[[nodiscard]] absl::Status ParseValue(std::string_view text, Duration* out);
[[nodiscard]] absl::Status ParseValue(std::string_view text, Toggle* out);
// Host bits must be zero: 10.0.0.1/8 is more often a slip than meant.
[[nodiscard]] absl::Status ParseValue(std::string_view text, IpPrefix* out);
[[nodiscard]] absl::Status ParseValue(std::string_view text, HostPort* out);
[[nodiscard]] absl::Status ParseValue(std::string_view text, SocketAddress* out);

[[nodiscard]] std::string FormatValue(const std::string& value);
[[nodiscard]] std::string FormatValue(bool value);
[[nodiscard]] std::string FormatValue(std::uint64_t value);
[[nodiscard]] inline std::string FormatValue(std::uint16_t v) {
  return FormatValue(std::uint64_t{v});
}
[[nodiscard]] inline std::string FormatValue(std::uint32_t v) {
  return FormatValue(std::uint64_t{v});
}
[[nodiscard]] std::string FormatValue(Duration value);
[[nodiscard]] std::string FormatValue(Toggle value);
[[nodiscard]] std::string FormatValue(const IpPrefix& value);
[[nodiscard]] std::string FormatValue(const HostPort& value);
[[nodiscard]] std::string FormatValue(const SocketAddress& value);

}  // namespace adit::config
