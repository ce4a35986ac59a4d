// Every checksum we make or change is right afterwards: sums, the IPv4 header's after a change of
// its ECN bits, ICMP errors. (Splitting has a target of its own.)
#include <algorithm>

#include "dataplane/engine/inner_packet.h"
#include "dataplane/packet/checksum.h"
#include "dataplane/packet/icmp_error.h"
#include "tests/fuzz/next_packet.h"
#include "tests/fuzz/slow_ip_packet.h"

namespace adit::fuzz {
namespace {

using testing::Bytes;

void CheckSums(Input& input) {
  const std::size_t offset = input.Below(16);
  Bytes bytes = input.Copy(input.size());
  const std::size_t more = bytes.empty() ? 0 : std::size_t{bytes[0]} * (bytes.size() % 300);
  for (std::size_t i = 0; i < more; ++i) {  // longer than a fuzzer writes
    bytes.push_back(bytes[i]);
  }
  const ByteSpan all = ByteSpan(bytes).subspan(std::min(offset, bytes.size()));
  const std::uint16_t slow = testing::SlowChecksum(all);
  const auto fast = static_cast<std::uint16_t>(~packet::Fold(packet::SumBytes(all)));
  Require(__builtin_bswap16(fast) == slow, "the sum");
  Bytes copy(all.size());
  Require(packet::CopyAndSumBytes(all, copy.data()) == packet::SumBytes(all), "the copy's sum");
  Require(std::ranges::equal(copy, all), "the copy");
  const std::size_t half = all.size() / 4 * 2;
  Require(packet::Fold(packet::SumBytes(all.subspan(half), packet::SumBytes(all.first(half)))) ==
              packet::Fold(packet::SumBytes(all)),
          "parts of even length are summed in turn");
}

// RFC 6040, figure 4, by inner and outer: the outgoing field, 4 for a drop.
constexpr std::uint8_t kDecapsulated[4][4] = {
    {0, 0, 0, 4}, {1, 1, 1, 3}, {2, 1, 2, 3}, {3, 3, 3, 3}};

void CheckEcn(Input& input) {
  const std::uint8_t outer = input.Byte() & 3;
  Bytes bytes = input.Copy(input.size());
  const auto parsed = engine::ReadInnerPacket(bytes, false);
  const auto* view = std::get_if<packet::IpPacket>(&parsed);
  if (view == nullptr) {
    return;
  }
  bytes.resize(view->total_length);
  const Bytes before = bytes;
  const bool is_v4 = bytes[0] >> 4 == 4;
  const std::uint8_t expected = kDecapsulated[view->tos & 3][outer];
  const bool passes = engine::DecapsulateEcn(bytes, outer);
  Require(passes == (expected != 4), "dropped where the figure says so");
  if (!passes) {
    return;
  }
  const std::uint16_t word = LoadBe16(bytes.data());
  Require((is_v4 ? word & 3 : word >> 4 & 3) == expected, "the ECN field of the figure");
  const std::uint16_t other_bits = is_v4 ? 0xfffc : 0xffcf;
  Require((word & other_bits) == (LoadBe16(before.data()) & other_bits), "and only that field");
  if (is_v4) {
    const std::size_t header = std::max<std::size_t>((bytes[0] & 15U) * 4U, 20);
    if (header <= bytes.size() && testing::SlowChecksum(ByteSpan(before).first(header)) == 0) {
      Require(testing::SlowChecksum(ByteSpan(bytes).first(header)) == 0,
              "a right checksum stays so");
    }
    if (view->tos % 4 != expected) {
      std::copy_n(before.begin() + 10, 2, bytes.begin() + 10);
    }
  }
  std::copy_n(before.begin(), 2, bytes.begin());
  Require(bytes == before, "the rest is as it was");
}

void CheckIcmpError(Input& input) {
  const std::uint8_t how = input.Byte();
  const std::uint32_t mtu = input.U16();
  Bytes original = (how & 4) != 0 ? testing::BuildPacket(NextSpec(input, (how & 8) != 0))
                                  : input.Copy(input.size());
  original.resize(original.size() + (how >> 4) * std::size_t{100});
  const auto parsed = packet::ParseIpPacket(original);
  const auto* view = std::get_if<packet::IpPacket>(&parsed);
  if (view == nullptr || !packet::MayAnswerWithError(*view)) {
    return;
  }
  const auto kind = static_cast<packet::IcmpErrorKind>(how % 3);
  Bytes out(packet::kMaxIcmpErrorSize, 0xee);
  const std::size_t size =
      packet::WriteIcmpError(kind, original, *view, view->destination, mtu, out);
  out.resize(size);
  const auto error = packet::ParseIpPacket(out);
  Require(std::holds_alternative<packet::IpPacket>(error), "it is a packet");
  const auto& read = std::get<packet::IpPacket>(error);
  Require(read.is_icmp_error() && read.total_length == size, "it is an ICMP error, whole");
  Require(testing::HasValidChecksums(out), "its checksums");
  Require(read.source == view->destination && read.destination == view->source, "its way back");
  Require(size <= (view->is_v6 ? 1280U : 576U), "its size");
  const ByteSpan quoted = ByteSpan(out).subspan(view->is_v6 ? 48 : 28);
  Require(std::ranges::equal(quoted, ByteSpan(original).first(quoted.size())), "what it quotes");
  Require(quoted.size() == view->total_length || size == (view->is_v6 ? 1280U : 576U),
          "as much as it may");
  const auto back = packet::ParseQuotedPacket(out, read);
  Require(!back || (back->source == view->source && back->destination == view->destination),
          "read as whom it is about");
}

void FuzzChecksum(Input input) {
  switch (input.Byte() % 3) {
    case 0:
      CheckSums(input);
      break;
    case 1:
      CheckEcn(input);
      break;
    default:
      CheckIcmpError(input);
  }
}

ADIT_FUZZ_TARGET(checksum, FuzzChecksum)

}  // namespace
}  // namespace adit::fuzz
