#pragma once

#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/bytes.h"

// IP addresses, prefixes and endpoints as values. None of them allocates except to print.
namespace adit {

enum class IpFamily : std::uint8_t { kNone = 0, kV4 = 4, kV6 = 6 };

// An IPv4 or IPv6 address, or none (the default). IPv4 occupies the first 4 of the 16 bytes, in
// network order; the rest are zero, so that equality is bytewise.
class IpAddress {
 public:
  constexpr IpAddress() = default;
  [[nodiscard]] static IpAddress V4(const std::uint8_t* four_bytes);
  [[nodiscard]] static IpAddress V6(const std::uint8_t* sixteen_bytes);
  // Accepts dotted quads and RFC 4291 text; no zone, no port, no surrounding space.
  [[nodiscard]] static std::optional<IpAddress> Parse(std::string_view text);
  // From raw network-order bytes: 4 or 16 of them, anything else is nullopt.
  [[nodiscard]] static std::optional<IpAddress> FromBytes(ByteSpan bytes);

  [[nodiscard]] IpFamily family() const { return family_; }
  [[nodiscard]] bool is_v4() const { return family_ == IpFamily::kV4; }
  [[nodiscard]] bool is_v6() const { return family_ == IpFamily::kV6; }
  [[nodiscard]] bool is_set() const { return family_ != IpFamily::kNone; }
  // 32, 128 or 0.
  [[nodiscard]] unsigned bit_count() const { return is_v4() ? 32U : is_v6() ? 128U : 0U; }
  // 4, 16 or 0 bytes in network order, valid as long as this object.
  [[nodiscard]] ByteSpan bytes() const { return {bytes_.data(), bit_count() / 8}; }
  // Bit 0 is the most significant. Requires i < bit_count().
  [[nodiscard]] bool bit(unsigned i) const { return ((bytes_[i / 8] >> (7 - i % 8)) & 1) != 0; }

  [[nodiscard]] bool is_unspecified() const;
  [[nodiscard]] bool is_loopback() const;
  [[nodiscard]] bool is_multicast() const;   // includes 255.255.255.255
  [[nodiscard]] bool is_link_local() const;  // 169.254/16, fe80::/10
  [[nodiscard]] bool is_v4_mapped() const;   // ::ffff:0:0/96

  [[nodiscard]] std::string ToString() const;  // "" when not set

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 reads a null pointer into it
  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const IpAddress& a) {
    return H::combine(std::move(h), a.family_, a.bytes_);
  }

 private:
  IpFamily family_ = IpFamily::kNone;
  std::array<std::uint8_t, 16> bytes_{};
};

// An address and a length in bits, with every bit past the length zero.
class IpPrefix {
 public:
  constexpr IpPrefix() = default;
  // Host bits are cleared. length must be <= address.bit_count().
  IpPrefix(IpAddress address, unsigned length);
  // "10.0.0.0/8", "fd00::/8", or a bare address (then /32 or /128). Host bits that are set are
  // cleared, as `wg` does.
  [[nodiscard]] static std::optional<IpPrefix> Parse(std::string_view text);
  [[nodiscard]] static IpPrefix Host(IpAddress address) { return {address, address.bit_count()}; }

  [[nodiscard]] const IpAddress& address() const { return address_; }
  [[nodiscard]] unsigned length() const { return length_; }
  [[nodiscard]] IpFamily family() const { return address_.family(); }
  [[nodiscard]] bool Contains(const IpAddress& address) const;
  [[nodiscard]] bool Contains(const IpPrefix& other) const;
  [[nodiscard]] bool Overlaps(const IpPrefix& other) const {
    return Contains(other) || other.Contains(*this);
  }
  [[nodiscard]] std::string ToString() const;

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 reads a null pointer into it
  friend auto operator<=>(const IpPrefix&, const IpPrefix&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const IpPrefix& p) {
    return H::combine(std::move(h), p.address_, p.length_);
  }

 private:
  IpAddress address_;
  std::uint8_t length_ = 0;
};

// A UDP endpoint. scope is the interface index of a link-local IPv6 address, else 0.
struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;
  std::uint32_t scope = 0;

  [[nodiscard]] bool is_set() const { return address.is_set(); }
  // "192.0.2.1:51820", "[2001:db8::1]:51820", "[fe80::1%3]:51820". Numeric only; no names.
  [[nodiscard]] static std::optional<Endpoint> Parse(std::string_view text);
  [[nodiscard]] std::string ToString() const;

  // Fills out and returns its length; 0 when not set.
  socklen_t ToSockaddr(sockaddr_storage& out) const;
  // nullopt for families other than AF_INET and AF_INET6. A mapped IPv4 address stays IPv6.
  [[nodiscard]] static std::optional<Endpoint> FromSockaddr(const sockaddr_storage& from);

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 reads a null pointer into it
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const Endpoint& e) {
    return H::combine(std::move(h), e.address, e.port, e.scope);
  }
};

}  // namespace adit
