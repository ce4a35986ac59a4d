#include "dataplane/uapi/request_parser.h"

#include <algorithm>
#include <cerrno>
#include <charconv>

#include <fmt/format.h>

namespace adit::uapi {
namespace {

void WipeChars(std::vector<char>& bytes) {
  crypto::Wipe({reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
  bytes.clear();
}

template <typename T>
std::optional<T> ParseNumber(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

std::optional<crypto::SymmetricKey> ParseSecretKey(std::string_view hex) {
  crypto::SymmetricKey key;
  if (!DecodeKeyHex(hex, key.mutable_bytes())) {
    return std::nullopt;
  }
  return key;
}

// Like Endpoint::Parse, and the scope may be an interface's name, as getnameinfo(3) prints it.
std::optional<Endpoint> ParseEndpoint(std::string_view text,
                                      const RequestParser::ScopeResolver& resolve_scope) {
  const std::size_t percent = text.find('%');
  const std::size_t bracket = text.find(']');
  if (percent == std::string_view::npos || bracket == std::string_view::npos || percent > bracket) {
    return Endpoint::Parse(text);
  }
  const std::string scope(text.substr(percent + 1, bracket - percent - 1));
  if (ParseNumber<std::uint32_t>(scope)) {
    return Endpoint::Parse(text);
  }
  const std::uint32_t index = resolve_scope(scope);
  if (index == 0) {
    return std::nullopt;
  }
  return Endpoint::Parse(
      fmt::format("{}%{}{}", text.substr(0, percent), index, text.substr(bracket)));
}

constexpr std::string_view kHexKey = "64 hexadecimal digits";

bool IsSecret(std::string_view key) { return key == "private_key" || key == "preshared_key"; }

}  // namespace

RequestParser::~RequestParser() { ClearLine(); }

void RequestParser::ClearLine() {
  WipeChars(line_);
  line_is_too_long_ = false;
}

void RequestParser::Reset() {
  ClearLine();
  line_number_ = 0;
  request_bytes_ = 0;
  is_complete_ = false;
  operation_ = Operation::kNone;
  set_ = {};
  error_ = {};
}

std::size_t RequestParser::Consume(std::string_view bytes) {
  std::size_t taken = 0;
  while (!is_complete_ && taken < bytes.size()) {
    const std::string_view rest = bytes.substr(taken);
    const std::size_t newline = rest.find('\n');
    const bool ends_here = newline != std::string_view::npos;
    const std::string_view part = rest.substr(0, ends_here ? newline : rest.size());
    taken += part.size() + (ends_here ? 1 : 0);
    request_bytes_ += part.size() + (ends_here ? 1 : 0);
    if (line_.size() + part.size() > kMaxLine) {
      line_is_too_long_ = true;
    } else {
      line_.insert(line_.end(), part.begin(), part.end());
    }
    if (ends_here) {
      HandleLine();
    }
  }
  return taken;
}

void RequestParser::HandleEnd() {
  if (is_complete_ || (line_number_ == 0 && line_.empty() && !line_is_too_long_)) {
    return;
  }
  if (!line_.empty() || line_is_too_long_) {
    ++line_number_;
    Fail(EPROTO, "the request ends in the middle of a line; end it with an empty line");
  }
  ClearLine();
  is_complete_ = true;
}

void RequestParser::HandleLine() {
  ++line_number_;
  const std::string_view line(line_.data(), line_.size());
  if (line.empty() && !line_is_too_long_) {
    if (operation_ == Operation::kNone) {
      Fail(EINVAL, "expected get=1 or set=1");
    }
    is_complete_ = true;
    return;
  }
  if (error_.error == 0) {
    const std::size_t equals = line.find('=');
    if (line_is_too_long_) {
      Fail(EINVAL, fmt::format("longer than {} bytes", kMaxLine));
    } else if (request_bytes_ > kMaxRequest) {
      Fail(EMSGSIZE,
           fmt::format("the request is longer than {} bytes; send it in parts", kMaxRequest));
    } else if (operation_ == Operation::kNone) {
      operation_ = line == "get=1"   ? Operation::kGet
                   : line == "set=1" ? Operation::kSet
                                     : Operation::kNone;
      if (operation_ == Operation::kNone) {
        Fail(EINVAL, "expected get=1 or set=1");
      }
    } else if (operation_ == Operation::kGet) {
      Fail(EINVAL, "expected an empty line after get=1");
    } else if (equals == std::string_view::npos) {
      Fail(EINVAL, "expected key=value");
    } else {
      HandleSetLine(line.substr(0, equals), line.substr(equals + 1));
    }
    if (error_.error != 0) {
      set_ = {};  // here, where nothing refers to it
    }
  }
  ClearLine();
}

void RequestParser::Fail(int error, std::string_view what) {
  if (error_.error == 0) {
    error_ = {error, fmt::format("line {}: {}", line_number_, what)};
  }
}

void RequestParser::Expect(bool holds, std::string_view key, std::string_view value,
                           std::string_view expected) {
  if (holds) {
    return;
  }
  if (IsSecret(key)) {
    Fail(EINVAL, fmt::format("{}: expected {}", key, expected));
  } else {
    Fail(EINVAL, fmt::format("{}: '{}' is not {}", key, value, expected));
  }
}

void RequestParser::HandleSetLine(std::string_view key, std::string_view value) {
  if (key == "public_key") {
    engine::PeerPatch patch;
    std::array<std::uint8_t, kKeySize> bytes{};
    const bool is_key = DecodeKeyHex(value, bytes);
    Expect(is_key, key, value, kHexKey);
    if (is_key) {
      patch.public_key = PublicKey(bytes);
      set_.peers.push_back(std::move(patch));
    }
  } else if (set_.peers.empty()) {
    HandleDeviceLine(key, value);
  } else {
    HandlePeerLine(key, value);
  }
}

void RequestParser::HandleDeviceLine(std::string_view key, std::string_view value) {
  if (key == "private_key") {
    set_.private_key = ParseSecretKey(value);
    Expect(set_.private_key.has_value(), key, value, kHexKey);
  } else if (key == "listen_port") {
    set_.listen_port = ParseNumber<std::uint16_t>(value);
    Expect(set_.listen_port.has_value(), key, value, "a number from 0 to 65535");
  } else if (key == "fwmark") {
    set_.firewall_mark = ParseNumber<std::uint32_t>(value);
    Expect(set_.firewall_mark.has_value(), key, value, "a number from 0 to 4294967295");
  } else if (key == "replace_peers") {
    Expect(value == "true", key, value, "true");
    set_.replace_peers = true;
  } else {
    Fail(EINVAL,
         fmt::format("'{}' is not a key of a device; a peer's keys follow its public_key", key));
  }
}

void RequestParser::HandlePeerLine(std::string_view key, std::string_view value) {
  engine::PeerPatch& peer = set_.peers.back();
  if (key == "remove") {
    Expect(value == "true", key, value, "true");
    peer.remove = true;
  } else if (key == "update_only") {
    Expect(value == "true", key, value, "true");
    peer.update_only = true;
  } else if (key == "preshared_key") {
    peer.preshared_key = ParseSecretKey(value);
    Expect(peer.preshared_key.has_value(), key, value, kHexKey);
  } else if (key == "endpoint") {
    peer.endpoint = ParseEndpoint(value, resolve_scope_);
    peer.replace_endpoint = true;
    Expect(peer.endpoint.has_value() && peer.endpoint->port != 0, key, value,
           "an IP address and port, such as 192.0.2.1:51820 or [2001:db8::1]:51820");
  } else if (key == "persistent_keepalive_interval") {
    peer.persistent_keepalive = ParseNumber<std::uint16_t>(value);
    Expect(peer.persistent_keepalive.has_value(), key, value, "a number of seconds to 65535");
  } else if (key == "replace_allowed_ips") {
    Expect(value == "true", key, value, "true");
    peer.replace_allowed_ips = true;
    peer.allowed_ips.clear();
    peer.removed_allowed_ips.clear();
  } else if (key == "allowed_ip") {
    HandleAllowedIp(value);
  } else if (key == "protocol_version") {
    Expect(value == "1", key, value, "1");
  } else {
    Fail(EINVAL, fmt::format("'{}' is not a key of a peer", key));
  }
}

void RequestParser::HandleAllowedIp(std::string_view value) {
  engine::PeerPatch& peer = set_.peers.back();
  const bool is_removal = value.starts_with('-');
  const auto prefix = IpPrefix::Parse(is_removal ? value.substr(1) : value);
  if (!prefix) {
    Expect(false, "allowed_ip", value, "a prefix, such as 10.0.0.0/8, or one with a - before it");
  } else if (is_removal) {
    // The engine takes away before it adds; the text means its own order.
    std::erase(peer.allowed_ips, *prefix);
    peer.removed_allowed_ips.push_back(*prefix);
  } else {
    peer.allowed_ips.push_back(*prefix);
  }
}

}  // namespace adit::uapi
