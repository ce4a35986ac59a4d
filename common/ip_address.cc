#include "common/ip_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace adit {
namespace {

template <typename T>
std::optional<T> ParseNumber(std::string_view text, T max) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > max) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

IpAddress IpAddress::V4(const std::uint8_t* four_bytes) {
  IpAddress a;
  a.family_ = IpFamily::kV4;
  std::copy_n(four_bytes, 4, a.bytes_.begin());
  return a;
}

IpAddress IpAddress::V6(const std::uint8_t* sixteen_bytes) {
  IpAddress a;
  a.family_ = IpFamily::kV6;
  std::copy_n(sixteen_bytes, 16, a.bytes_.begin());
  return a;
}

std::optional<IpAddress> IpAddress::Parse(std::string_view text) {
  const std::string terminated(text);
  if (terminated.size() != text.size() || terminated.find('\0') != std::string::npos) {
    return std::nullopt;
  }
  std::array<std::uint8_t, 16> bytes{};
  if (inet_pton(AF_INET, terminated.c_str(), bytes.data()) == 1) {
    return V4(bytes.data());
  }
  if (inet_pton(AF_INET6, terminated.c_str(), bytes.data()) == 1) {
    return V6(bytes.data());
  }
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::FromBytes(ByteSpan bytes) {
  if (bytes.size() == 4) {
    return V4(bytes.data());
  }
  if (bytes.size() == 16) {
    return V6(bytes.data());
  }
  return std::nullopt;
}

bool IpAddress::is_unspecified() const {
  return std::ranges::all_of(bytes_, [](std::uint8_t b) { return b == 0; });
}

bool IpAddress::is_loopback() const {
  if (is_v4()) {
    return bytes_[0] == 127;
  }
  return is_v6() && std::all_of(bytes_.begin(), bytes_.end() - 1, [](auto b) { return b == 0; }) &&
         bytes_[15] == 1;
}

bool IpAddress::is_multicast() const {
  if (is_v4()) {
    return (bytes_[0] & 0xf0) == 0xe0 || LoadNative<std::uint32_t>(bytes_.data()) == 0xffffffff;
  }
  return is_v6() && bytes_[0] == 0xff;
}

bool IpAddress::is_link_local() const {
  return is_v4() ? bytes_[0] == 169 && bytes_[1] == 254
                 : is_v6() && bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
}

bool IpAddress::is_v4_mapped() const {
  return is_v6() &&
         std::all_of(bytes_.begin(), bytes_.begin() + 10, [](auto b) { return b == 0; }) &&
         bytes_[10] == 0xff && bytes_[11] == 0xff;
}

std::string IpAddress::ToString() const {
  if (!is_set()) {
    return {};
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes_.data(), text.data(), text.size());
  return text.data();
}

IpPrefix::IpPrefix(IpAddress address, unsigned length)
    : length_(static_cast<std::uint8_t>(std::min(length, address.bit_count()))) {
  std::array<std::uint8_t, 16> bytes{};
  std::ranges::copy(address.bytes(), bytes.begin());
  for (unsigned i = 0; i < address.bit_count() / 8; ++i) {
    const unsigned kept = length_ <= i * 8 ? 0U : std::min(length_ - i * 8, 8U);
    bytes[i] = static_cast<std::uint8_t>(bytes[i] & (0xff00U >> kept));
  }
  if (address.is_set()) {
    address_ = address.is_v4() ? IpAddress::V4(bytes.data()) : IpAddress::V6(bytes.data());
  }
}

std::optional<IpPrefix> IpPrefix::Parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::Parse(text.substr(0, slash));
  if (!address) {
    return std::nullopt;
  }
  if (slash == std::string_view::npos) {
    return Host(*address);
  }
  const auto length = ParseNumber<unsigned>(text.substr(slash + 1), address->bit_count());
  if (!length) {
    return std::nullopt;
  }
  return IpPrefix(*address, *length);
}

bool IpPrefix::Contains(const IpAddress& address) const {
  if (address.family() != family() || !address.is_set()) {
    return false;
  }
  return IpPrefix(address, length_).address() == address_;
}

bool IpPrefix::Contains(const IpPrefix& other) const {
  return other.length_ >= length_ && Contains(other.address_);
}

std::string IpPrefix::ToString() const {
  return address_.is_set() ? fmt::format("{}/{}", address_.ToString(), length_) : std::string();
}

std::optional<Endpoint> Endpoint::Parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return std::nullopt;
  }
  const auto port = ParseNumber<std::uint16_t>(text.substr(colon + 1), 65535);
  std::string_view host = text.substr(0, colon);
  Endpoint endpoint;
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (const std::size_t percent = host.find('%'); percent != std::string_view::npos) {
      const auto scope = ParseNumber<std::uint32_t>(host.substr(percent + 1), UINT32_MAX);
      if (!scope) {
        return std::nullopt;
      }
      endpoint.scope = *scope;
      host = host.substr(0, percent);
    }
    const auto address = IpAddress::Parse(host);
    if (!address || !address->is_v6()) {
      return std::nullopt;
    }
    endpoint.address = *address;
  } else {
    const auto address = IpAddress::Parse(host);
    if (!address || !address->is_v4()) {
      return std::nullopt;
    }
    endpoint.address = *address;
  }
  if (!port) {
    return std::nullopt;
  }
  endpoint.port = *port;
  return endpoint;
}

std::string Endpoint::ToString() const {
  if (!is_set()) {
    return {};
  }
  if (address.is_v4()) {
    return fmt::format("{}:{}", address.ToString(), port);
  }
  return scope == 0 ? fmt::format("[{}]:{}", address.ToString(), port)
                    : fmt::format("[{}%{}]:{}", address.ToString(), scope, port);
}

socklen_t Endpoint::ToSockaddr(sockaddr_storage& out) const {
  out = {};
  if (address.is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&v4.sin_addr, address.bytes().data(), 4);
    std::memcpy(&out, &v4, sizeof v4);
    return sizeof v4;
  }
  if (address.is_v6()) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    v6.sin6_scope_id = scope;
    std::memcpy(&v6.sin6_addr, address.bytes().data(), 16);
    std::memcpy(&out, &v6, sizeof v6);
    return sizeof v6;
  }
  return 0;
}

std::optional<Endpoint> Endpoint::FromSockaddr(const sockaddr_storage& from) {
  Endpoint endpoint;
  if (from.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &from, sizeof v4);
    std::array<std::uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &v4.sin_addr, 4);
    endpoint.address = IpAddress::V4(bytes.data());
    endpoint.port = ntohs(v4.sin_port);
    return endpoint;
  }
  if (from.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &from, sizeof v6);
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &v6.sin6_addr, 16);
    endpoint.address = IpAddress::V6(bytes.data());
    endpoint.port = ntohs(v6.sin6_port);
    endpoint.scope = v6.sin6_scope_id;
    return endpoint;
  }
  return std::nullopt;
}

}  // namespace adit
