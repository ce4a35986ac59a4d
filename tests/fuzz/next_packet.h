#pragma once

#include <array>
#include <string_view>

#include "tests/fuzz/fuzz_target.h"
#include "tests/support/packet_builder.h"

// Packets for the targets that take many of them: few addresses and ports, so that flows meet.
namespace adit::fuzz {

struct Addresses {
  std::array<std::string_view, 4> near;
  std::array<std::string_view, 4> far;
};
inline constexpr Addresses kV4Addresses = {{"100.64.0.2", "100.64.0.3", "0.0.0.0", "224.0.0.1"},
                                           {"10.0.0.5", "10.0.1.7", "10.0.2.9", "192.0.2.1"}};
inline constexpr Addresses kV6Addresses = {
    {"fd64::2", "fd64::3", "::", "ff02::1"},
    {"fd00::5", "fd00:1::7", "::ffff:10.0.0.5", "2001:db8::1"}};

// A whole packet in five bytes and a few more; from_near: of the peer's.
inline testing::PacketSpec NextSpec(Input& input, bool from_near) {
  testing::PacketSpec spec;
  const std::uint8_t what = input.Byte();
  const std::uint8_t who = input.Byte();
  const bool is_v6 = (what & 1) != 0;
  const Addresses& addresses = is_v6 ? kV6Addresses : kV4Addresses;
  // Mostly the first.
  const auto pick = [](unsigned bits) { return bits < 5 ? 0 : bits - 4; };
  spec.source = addresses.near[pick(who & 7)];
  spec.destination = addresses.far[pick(who >> 3 & 7)];
  switch (what >> 1 & 7) {
    case 0:
    case 1:
    case 2:
      spec.protocol = 6;
      break;
    case 3:
    case 4:
      spec.protocol = 17;
      break;
    case 5:
    case 6:
      spec.protocol = is_v6 ? 58 : 1;
      spec.icmp_type = input.Byte();
      spec.icmp_code = input.Byte();
      break;
    default:
      spec.protocol = input.Byte();
  }
  constexpr std::array<std::uint16_t, 4> kPorts = {443, 80, 53, 8080};
  spec.source_port = static_cast<std::uint16_t>(40000 + (what >> 4 & 3));
  spec.destination_port = kPorts[what >> 6];
  spec.tcp_flags = input.Byte();
  spec.tos = (who & 0xc0) != 0 ? input.Byte() : 0;
  const ByteSpan payload = input.Take(input.Byte());
  spec.payload.assign(payload.begin(), payload.end());
  if (!from_near) {
    std::swap(spec.source, spec.destination);
    std::swap(spec.source_port, spec.destination_port);
  }
  return spec;
}

}  // namespace adit::fuzz
