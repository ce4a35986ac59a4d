// IP headers, extension headers, fragments and quoted packets against a second, slow reading.
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/slow_ip_packet.h"

namespace adit::fuzz {
namespace {

using packet::IpPacket;

void CheckHash(const IpPacket& view) {
  IpPacket other = view;
  other.tos ^= 0xff;
  other.tcp_flags ^= 0xff;
  other.total_length += 1;
  Require(packet::FlowHash(other) == packet::FlowHash(view), "the hash is the flow's");
  if (view.fragment != packet::FragmentKind::kWhole) {
    other.fragment = packet::FragmentKind::kLater;
    other.source_port ^= 1;
    Require(packet::FlowHash(other) == packet::FlowHash(view), "fragments share their hash");
  }
}

void CheckQuotation(ByteSpan bytes, const IpPacket& error) {
  const auto quoted = packet::ParseQuotedPacket(bytes, error);
  const std::size_t at = std::min<std::size_t>(error.transport_offset + 8U, bytes.size());
  const auto by_hand = at == bytes.size()
                           ? std::nullopt
                           : SlowIpReader(bytes.subspan(at), true).ReadQuoted(error.is_v6);
  Require(quoted.has_value() == by_hand.has_value(), "both read the quotation or neither");
  Require(!quoted || AreEqual(*quoted, *by_hand), "every field of the quotation");
}

void FuzzIpPacket(Input input) {
  const std::vector<std::uint8_t> bytes = input.Copy(input.size());
  const auto parsed = packet::ParseIpPacket(bytes);
  const auto by_hand = SlowIpReader(bytes, false).Read();
  Require(parsed.index() == by_hand.index(), "both read it or neither");
  if (const auto* reason = std::get_if<packet::DropReason>(&parsed)) {
    Require(*reason == std::get<packet::DropReason>(by_hand), "the reason");
    return;
  }
  const auto& view = std::get<IpPacket>(parsed);
  Require(AreEqual(view, std::get<IpPacket>(by_hand)), "every field");
  Require(packet::DestinationOf(bytes) == view.destination, "the destination");
  Require(view.total_length <= bytes.size() && view.transport_offset <= view.total_length,
          "inside the bytes");
  if (view.is_icmp_error()) {
    CheckQuotation(bytes, view);
  }
  CheckHash(view);
}

ADIT_FUZZ_TARGET(ip_packet, FuzzIpPacket)

}  // namespace
}  // namespace adit::fuzz
