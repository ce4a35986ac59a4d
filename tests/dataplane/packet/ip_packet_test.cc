#include "dataplane/packet/ip_packet.h"

#include <set>

#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"
#include "tests/support/seeded_random.h"

namespace adit::packet {
namespace {

using testing::BuildIcmpError;
using testing::BuildPacket;
using testing::Bytes;
using testing::PacketSpec;

std::optional<DropReason> Refusal(ByteSpan bytes) {
  const auto result = ParseIpPacket(bytes);
  const auto* reason = std::get_if<DropReason>(&result);
  return reason == nullptr ? std::nullopt : std::optional(*reason);
}
IpPacket Parse(ByteSpan bytes) {
  EXPECT_EQ(Refusal(bytes), std::nullopt);
  const auto result = ParseIpPacket(bytes);
  return std::holds_alternative<IpPacket>(result) ? std::get<IpPacket>(result) : IpPacket();
}

PacketSpec V6(std::uint8_t protocol) {
  PacketSpec spec;
  spec.source = "2001:db8::1";
  spec.destination = "fd00::2";
  spec.protocol = protocol;
  return spec;
}

// An IPv6 packet with these extension headers, each given as its kind and its bytes (of which the
// first is filled in), before a UDP header and payload.
struct Extension {
  std::uint8_t kind;
  Bytes bytes;
};
Bytes WithExtensions(const std::vector<Extension>& extensions, std::uint8_t last = 17) {
  const Bytes plain = BuildPacket(V6(last == 17 || last == 6 ? last : 59));
  Bytes packet(plain.begin(), plain.begin() + 40);
  std::size_t next_at = 6;
  for (const Extension& extension : extensions) {
    packet[next_at] = extension.kind;
    next_at = packet.size();
    packet.insert(packet.end(), extension.bytes.begin(), extension.bytes.end());
  }
  packet[next_at] = last;
  packet.insert(packet.end(), plain.begin() + 40, plain.end());
  StoreBe16(packet.data() + 4, static_cast<std::uint16_t>(packet.size() - 40));
  return packet;
}
const Bytes kEight = {0, 0, 0, 0, 0, 0, 0, 0};
Bytes Fragment(std::uint16_t offset_bytes, bool has_more, std::uint32_t id) {
  Bytes header(8);
  StoreBe16(header.data() + 2, static_cast<std::uint16_t>(offset_bytes | (has_more ? 1 : 0)));
  StoreBe32(header.data() + 4, id);
  return header;
}

TEST(IpPacket, ReadsAddressesPortsAndFlags) {
  const IpPacket tcp = Parse(BuildPacket({.source = "100.64.0.2",
                                          .destination = "10.0.0.5",
                                          .protocol = 6,
                                          .source_port = 1234,
                                          .destination_port = 443,
                                          .tos = 0xb9,
                                          .tcp_flags = 0x12}));
  EXPECT_FALSE(tcp.is_v6);
  EXPECT_EQ(tcp.source, *IpAddress::Parse("100.64.0.2"));
  EXPECT_EQ(tcp.destination, *IpAddress::Parse("10.0.0.5"));
  EXPECT_EQ(tcp.protocol, 6);
  EXPECT_EQ(tcp.source_port, 1234);
  EXPECT_EQ(tcp.destination_port, 443);
  EXPECT_EQ(tcp.tcp_flags, 0x12);
  EXPECT_EQ(tcp.tos, 0xb9);
  EXPECT_EQ(tcp.transport_offset, 20);
  EXPECT_EQ(tcp.total_length, 44U);
  EXPECT_EQ(tcp.fragment, FragmentKind::kWhole);
  PacketSpec spec = V6(17);
  spec.tos = 0x2d;
  const IpPacket udp = Parse(BuildPacket(spec));
  EXPECT_TRUE(udp.is_v6);
  EXPECT_EQ(udp.source, *IpAddress::Parse("2001:db8::1"));
  EXPECT_EQ(udp.destination, *IpAddress::Parse("fd00::2"));
  EXPECT_EQ(udp.destination_port, 443);
  EXPECT_EQ(udp.tos, 0x2d);
  EXPECT_EQ(udp.transport_offset, 40);
  EXPECT_EQ(udp.total_length, 52U);
}

TEST(IpPacket, EchoHasItsIdentifierForPorts) {
  const IpPacket request = Parse(BuildPacket({.protocol = 1, .source_port = 77, .icmp_type = 8}));
  EXPECT_TRUE(request.is_echo_request());
  EXPECT_EQ(request.source_port, 77);
  EXPECT_EQ(request.destination_port, 77);
  EXPECT_TRUE(Parse(BuildPacket({.protocol = 1, .icmp_type = 0})).is_echo_reply());
  PacketSpec spec = V6(58);
  spec.icmp_type = 128;
  EXPECT_TRUE(Parse(BuildPacket(spec)).is_echo_request());
  spec.icmp_type = 129;
  EXPECT_TRUE(Parse(BuildPacket(spec)).is_echo_reply());
  spec.icmp_type = 1;
  EXPECT_TRUE(Parse(BuildPacket(spec)).is_icmp_error());
  spec.icmp_type = 133;
  EXPECT_FALSE(Parse(BuildPacket(spec)).is_icmp_error());
}

TEST(IpPacket, APacketMayBeFollowedByPaddingButNotBeCutShort) {
  for (const PacketSpec& spec : {PacketSpec{}, PacketSpec{.protocol = 6}, V6(17), V6(6), V6(58)}) {
    Bytes packet = BuildPacket(spec);
    const std::size_t size = packet.size();
    for (std::size_t cut = 0; cut < size; ++cut) {
      EXPECT_EQ(Refusal(ByteSpan(packet).first(cut)), DropReason::kMalformed) << cut;
    }
    packet.resize(size + 15);
    EXPECT_EQ(Parse(packet).total_length, size);
  }
}

TEST(IpPacket, RefusesUnknownVersionsAndImpossibleLengths) {
  Bytes packet = BuildPacket({});
  for (unsigned version = 0; version < 16; ++version) {
    packet[0] = static_cast<std::uint8_t>(version << 4 | 5);
    const auto reason = Refusal(packet);
    if (version == 4) {
      EXPECT_EQ(reason, std::nullopt);
    } else if (version == 6) {
      EXPECT_NE(reason, std::nullopt);
    } else {
      EXPECT_EQ(reason, DropReason::kUnknownVersion);
    }
  }
  EXPECT_EQ(Refusal({}), DropReason::kMalformed);
  packet = BuildPacket({});
  for (const std::uint8_t header_words : Bytes{0, 1, 4, 15}) {
    packet[0] = static_cast<std::uint8_t>(0x40 | header_words);
    EXPECT_EQ(Refusal(packet), DropReason::kMalformed) << int{header_words};
  }
  packet = BuildPacket({});
  StoreBe16(packet.data() + 2, 19);
  EXPECT_EQ(Refusal(packet), DropReason::kMalformed) << "shorter than its header";
  StoreBe16(packet.data() + 2, 27);
  EXPECT_EQ(Refusal(packet), DropReason::kMalformed) << "a UDP header of seven bytes";
}

TEST(IpPacket, ReadsPastIpv4Options) {
  Bytes packet = BuildPacket({});
  packet.insert(packet.begin() + 20, 12, 1);
  packet[0] = 0x48;
  StoreBe16(packet.data() + 2, static_cast<std::uint16_t>(packet.size()));
  const IpPacket parsed = Parse(packet);
  EXPECT_EQ(parsed.transport_offset, 32);
  EXPECT_EQ(parsed.destination_port, 443);
}

TEST(IpPacket, WalksIpv6ExtensionHeaders) {
  const Bytes twenty_four = [] {
    Bytes bytes(24);
    bytes[1] = 2;
    return bytes;
  }();
  Bytes authentication(24);
  authentication[1] = 4;  // 6 words
  const Bytes packet = WithExtensions(
      {{0, kEight}, {60, twenty_four}, {43, kEight}, {51, authentication}, {60, kEight}});
  const IpPacket parsed = Parse(packet);
  EXPECT_EQ(parsed.protocol, 17);
  EXPECT_EQ(parsed.transport_offset, 40 + 8 + 24 + 8 + 24 + 8);
  EXPECT_EQ(parsed.destination_port, 443);
}

TEST(IpPacket, RefusesExtensionHeadersThatAreTooManyMisplacedOrLong) {
  EXPECT_EQ(Refusal(WithExtensions(std::vector<Extension>(8, {60, kEight}))), std::nullopt);
  EXPECT_EQ(Refusal(WithExtensions(std::vector<Extension>(9, {60, kEight}))),
            DropReason::kExtensionHeaders);
  EXPECT_EQ(Refusal(WithExtensions({{60, kEight}, {0, kEight}})), DropReason::kExtensionHeaders)
      << "hop-by-hop comes first";
  Bytes beyond = kEight;
  beyond[1] = 200;
  EXPECT_EQ(Refusal(WithExtensions({{60, beyond}})), DropReason::kExtensionHeaders);
  EXPECT_EQ(Refusal(WithExtensions({{51, beyond}})), DropReason::kExtensionHeaders);
  EXPECT_EQ(Refusal(WithExtensions({{44, Fragment(0, true, 1)}, {44, Fragment(0, true, 2)}})),
            DropReason::kExtensionHeaders)
      << "a fragment of a fragment";
  // A header announced by the last bytes of the packet.
  Bytes cut = WithExtensions({{60, kEight}});
  cut.resize(40 + 8);
  cut[40] = 60;
  StoreBe16(cut.data() + 4, 8);
  EXPECT_EQ(Refusal(cut), DropReason::kExtensionHeaders);
}

TEST(IpPacket, TellsFragmentsApart) {
  const auto fragments = testing::FragmentIpv4(
      BuildPacket({.payload = Bytes(2000, 1), .ip_id = 0x4242, .dont_fragment = false}), 800);
  ASSERT_EQ(fragments.size(), 3U);
  const IpPacket first = Parse(fragments[0]);
  EXPECT_EQ(first.fragment, FragmentKind::kFirst);
  EXPECT_EQ(first.destination_port, 443);
  EXPECT_EQ(first.fragment_id, 0x4242U);
  for (std::size_t i = 1; i < 3; ++i) {
    const IpPacket later = Parse(fragments[i]);
    EXPECT_EQ(later.fragment, FragmentKind::kLater);
    EXPECT_EQ(later.destination_port, 0) << "what lies there is no port";
    EXPECT_EQ(later.fragment_id, 0x4242U);
    EXPECT_EQ(later.protocol, 17);
  }
  const IpPacket first6 = Parse(WithExtensions({{44, Fragment(0, true, 0xabcdef01)}}));
  EXPECT_EQ(first6.fragment, FragmentKind::kFirst);
  EXPECT_EQ(first6.fragment_id, 0xabcdef01U);
  EXPECT_EQ(first6.destination_port, 443);
  const IpPacket later6 = Parse(WithExtensions({{44, Fragment(64, false, 0xabcdef01)}}));
  EXPECT_EQ(later6.fragment, FragmentKind::kLater);
  EXPECT_EQ(later6.destination_port, 0);
  EXPECT_EQ(Parse(WithExtensions({{44, Fragment(0, false, 5)}})).fragment, FragmentKind::kWhole)
      << "an atomic fragment (RFC 6946)";
}

TEST(IpPacket, RefusesTinyFragments) {
  Bytes tcp = BuildPacket({.protocol = 6, .payload = Bytes(100, 1), .dont_fragment = false});
  const auto fragments = testing::FragmentIpv4(tcp, 8);
  EXPECT_EQ(Refusal(fragments[0]), DropReason::kTinyFragment) << "no flags in the first";
  EXPECT_EQ(Refusal(fragments[1]), DropReason::kTinyFragment)
      << "offset 8 could overwrite the flags (RFC 1858)";
  EXPECT_EQ(Refusal(fragments[2]), std::nullopt);
  Bytes udp6 = WithExtensions({{44, Fragment(0, true, 1)}});
  udp6.resize(40 + 8 + 4);
  StoreBe16(udp6.data() + 4, 12);
  EXPECT_EQ(Refusal(udp6), DropReason::kTinyFragment);
}

TEST(IpPacket, RefusesIpInIpAndMappedAddresses) {
  const Bytes inner = BuildPacket({});
  const Bytes inner6 = BuildPacket(V6(17));
  EXPECT_EQ(Refusal(BuildPacket({.protocol = 4, .payload = inner})), DropReason::kMappedAddress);
  EXPECT_EQ(Refusal(BuildPacket({.protocol = 41, .payload = inner6})), DropReason::kMappedAddress)
      << "6in4";
  PacketSpec four_in_six = V6(4);
  four_in_six.payload = inner;
  EXPECT_EQ(Refusal(BuildPacket(four_in_six)), DropReason::kMappedAddress);
  EXPECT_EQ(Refusal(WithExtensions({{60, kEight}}, 4)), DropReason::kMappedAddress)
      << "behind an extension header";
  EXPECT_EQ(Refusal(WithExtensions({{44, Fragment(64, false, 1)}}, 41)), DropReason::kMappedAddress)
      << "a later fragment of one";
  PacketSpec mapped = V6(17);
  mapped.source = "::ffff:10.0.0.1";
  EXPECT_EQ(Refusal(BuildPacket(mapped)), DropReason::kMappedAddress);
  mapped = V6(17);
  mapped.destination = "::ffff:10.0.0.1";
  EXPECT_EQ(Refusal(BuildPacket(mapped)), DropReason::kMappedAddress);
}

TEST(IpPacket, ReadsThePacketAnErrorQuotesHoweverShort) {
  const Bytes original = BuildPacket(
      {.protocol = 6, .source_port = 5555, .destination_port = 443, .payload = Bytes(400, 1)});
  for (std::size_t kept = 0; kept <= original.size(); ++kept) {
    const Bytes quoted(original.begin(), original.begin() + static_cast<std::ptrdiff_t>(kept));
    const Bytes error = BuildIcmpError("10.0.0.5", "100.64.0.2", 3, 1, quoted);
    const auto parsed = ParseQuotedPacket(error, Parse(error));
    ASSERT_EQ(parsed.has_value(), kept >= 28) << kept;
    if (parsed) {
      EXPECT_EQ(parsed->source_port, 5555);
      EXPECT_EQ(parsed->destination_port, 443);
      EXPECT_EQ(parsed->destination, *IpAddress::Parse("10.0.0.5"));
    }
  }
  const Bytes other_family = BuildIcmpError("10.0.0.5", "100.64.0.2", 3, 1, BuildPacket(V6(17)));
  EXPECT_EQ(ParseQuotedPacket(other_family, Parse(other_family)), std::nullopt);
}

TEST(IpPacket, FlowHashIsOneForAFlowAndOneForAllFragmentsOfAPacket) {
  const auto hash = [](const Bytes& bytes) { return FlowHash(Parse(bytes)); };
  EXPECT_EQ(hash(BuildPacket({.payload = Bytes(9, 1), .ip_id = 1})),
            hash(BuildPacket({.payload = Bytes(900, 2), .tos = 3, .ip_id = 2})));
  std::set<std::uint32_t> hashes;
  for (std::uint16_t port = 1; port <= 2000; ++port) {
    hashes.insert(hash(BuildPacket({.destination_port = port})));
  }
  EXPECT_GE(hashes.size(), 1995U);
  const auto fragments =
      testing::FragmentIpv4(BuildPacket({.payload = Bytes(2000, 1), .dont_fragment = false}), 800);
  EXPECT_EQ(hash(fragments[0]), hash(fragments[1]));
  EXPECT_EQ(hash(fragments[0]), hash(fragments[2]));
  EXPECT_EQ(hash(WithExtensions({{44, Fragment(0, true, 7)}})),
            hash(WithExtensions({{44, Fragment(64, false, 7)}})));
}

TEST(IpPacket, DestinationOfReadsEnoughToRoute) {
  EXPECT_EQ(DestinationOf(BuildPacket({})), *IpAddress::Parse("10.0.0.5"));
  EXPECT_EQ(DestinationOf(BuildPacket(V6(17))), *IpAddress::Parse("fd00::2"));
  EXPECT_EQ(DestinationOf(Bytes(19, 0x45)), std::nullopt);
  EXPECT_EQ(DestinationOf(Bytes(39, 0x60)), std::nullopt);
  EXPECT_EQ(DestinationOf(Bytes(60, 0x55)), std::nullopt);
  EXPECT_EQ(DestinationOf({}), std::nullopt);
}

// Whatever the bytes: no read past the end (the buffers are exactly as long as they say, so that
// the address sanitizer sees it), and what is accepted lies inside.
TEST(IpPacket, SurvivesRandomAndMutatedBytes) {
  const std::vector<Bytes> seeds = {
      BuildPacket({}),
      BuildPacket({.protocol = 6}),
      BuildPacket({.protocol = 1}),
      BuildPacket(V6(6)),
      BuildPacket(V6(58)),
      WithExtensions({{0, kEight}, {60, kEight}, {44, Fragment(0, true, 9)}}),
      BuildIcmpError("10.0.0.5", "100.64.0.2", 3, 1, BuildPacket({})),
      BuildIcmpError("fd00::5", "fd00::2", 1, 1, BuildPacket(V6(17))),
  };
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    testing::SeededRandom random(seed);
    for (int i = 0; i < 3000; ++i) {
      Bytes bytes = seeds[random.Below(seeds.size())];
      for (std::uint64_t flips = random.Below(6); flips != 0; --flips) {
        bytes[random.Below(bytes.size())] = static_cast<std::uint8_t>(random.Next32());
      }
      if (random.Below(3) == 0) {
        bytes.resize(random.Below(bytes.size() + 30));
      }
      bytes.shrink_to_fit();
      const auto result = ParseIpPacket(bytes);
      if (const auto* packet = std::get_if<IpPacket>(&result)) {
        ASSERT_LE(packet->total_length, bytes.size());
        ASSERT_LE(packet->transport_offset, packet->total_length);
        (void)FlowHash(*packet);
        if (packet->is_icmp_error()) {
          (void)ParseQuotedPacket(bytes, *packet);
        }
      }
      (void)DestinationOf(bytes);
    }
  }
}

}  // namespace
}  // namespace adit::packet
