// Any virtio header before any bytes: refused, or cut into packets that are what a byte-at-a-time
// segmentation of the super-packet gives.
#include <algorithm>
#include <memory>

#include "dataplane/io/virtio_header.h"
#include "dataplane/packet/split.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/packet_builder.h"

namespace adit::fuzz {
namespace {

using packet::GsoType;
using packet::OffloadHeader;
using packet::Splitter;
using testing::Bytes;

// 16-bit words, one after the other.
std::uint16_t PlainSum(ByteSpan bytes, std::uint32_t sum = 0) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += i % 2 == 0 ? static_cast<std::uint32_t>(bytes[i]) << 8 : bytes[i];
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<std::uint16_t>((sum & 0xffff) + (sum >> 16));
}

std::uint16_t PlainPseudoSum(ByteSpan packet, std::uint8_t protocol, std::size_t length) {
  const bool is_v6 = packet[0] >> 4 == 6;
  const std::uint16_t addresses =
      is_v6 ? PlainSum(packet.subspan(8, 32)) : PlainSum(packet.subspan(12, 8));
  return PlainSum({}, addresses + protocol + static_cast<std::uint32_t>(length));
}

void CheckSegments(const Splitter& splitter, const Bytes& whole, const OffloadHeader& offload,
                   const std::vector<Bytes>& segments) {
  const bool is_v6 = whole[0] >> 4 == 6;
  const bool is_tcp = offload.gso_type != GsoType::kUdp;
  const std::size_t ip_header = is_v6 ? 40 : (whole[0] & 15U) * 4U;
  const std::size_t transport = offload.checksum_start != 0 ? offload.checksum_start : ip_header;
  const std::size_t header = transport + (is_tcp ? (whole[transport + 12] >> 4) * 4U : 8U);
  Require(segments.size() <= packet::kMaxSegments, "at most so many segments");
  std::size_t at = header;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const Bytes& segment = segments[i];
    const bool is_last = i + 1 == segments.size();
    const std::size_t payload = segment.size() - header;
    Require(segment.size() > header && payload <= offload.gso_size &&
                (is_last || payload == offload.gso_size),
            "equal segments, and a last that is not longer");
    Require(std::equal(segment.begin() + static_cast<std::ptrdiff_t>(header), segment.end(),
                       whole.begin() + static_cast<std::ptrdiff_t>(at)),
            "the payload in order");
    // Everything a split does not write anew is as it was.
    Bytes expected(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(header));
    if (is_v6) {
      StoreBe16(&expected[4], static_cast<std::uint16_t>(segment.size() - 40));
    } else {
      StoreBe16(&expected[2], static_cast<std::uint16_t>(segment.size()));
      StoreBe16(&expected[4], static_cast<std::uint16_t>(LoadBe16(&whole[4]) + i));
      Require(PlainSum(ByteSpan(segment).first(ip_header)) == 0xffff, "the IPv4 header's checksum");
      std::copy_n(segment.begin() + 10, 2, expected.begin() + 10);
    }
    const std::size_t checksum = transport + (is_tcp ? 16 : 6);
    if (is_tcp) {
      StoreBe32(&expected[transport + 4],
                LoadBe32(&whole[transport + 4]) + static_cast<std::uint32_t>(at - header));
      const unsigned end_flags = is_last ? 0 : 0x09;   // FIN, PSH
      const unsigned first_flags = i == 0 ? 0 : 0x80;  // CWR
      expected[transport + 13] =
          static_cast<std::uint8_t>(whole[transport + 13] & ~(end_flags | first_flags));
    } else {
      StoreBe16(&expected[transport + 4], static_cast<std::uint16_t>(segment.size() - transport));
      Require(LoadBe16(&segment[checksum]) != 0, "UDP has a checksum");
    }
    std::copy_n(segment.begin() + static_cast<std::ptrdiff_t>(checksum), 2,
                expected.begin() + static_cast<std::ptrdiff_t>(checksum));
    Require(std::equal(expected.begin(), expected.end(), segment.begin()), "the headers");
    const std::uint16_t pseudo =
        PlainPseudoSum(segment, is_tcp ? 6 : 17, segment.size() - transport);
    Require(PlainSum(ByteSpan(segment).subspan(transport), pseudo) == 0xffff,
            "the transport's checksum");
    at += payload;
  }
  Require(at == whole.size(), "nothing is left over");
  Require(splitter.segment_count() == segments.size(), "as many as it said");
}

void CheckSingle(const Bytes& whole, const OffloadHeader& offload, const Bytes& segment) {
  Bytes expected = whole;
  if (offload.needs_checksum) {
    const std::size_t field = std::size_t{offload.checksum_start} + offload.checksum_offset;
    const std::uint16_t sum = PlainSum(ByteSpan(whole).subspan(offload.checksum_start));
    auto checksum = static_cast<std::uint16_t>(~sum);
    // Words are counted from the start, so an odd offset turns the bytes round.
    if (checksum == 0 && offload.checksum_offset == 6) {
      checksum = 0xffff;
    }
    StoreBe16(&expected[field], checksum);
  }
  Require(segment == expected, "a lone packet is as it was, but for its checksum");
}

void FuzzSplit(Input input) {
  std::array<std::uint8_t, io::kVirtioHeaderSize> header{};
  std::ranges::copy(input.Take(header.size()), header.begin());
  const auto offload = io::ReadVirtioHeader(header);
  if (!offload) {
    Require((header[1] & 0x7f) == 2 || (header[1] & 0x7f) == 3 || (header[1] & 0x7f) > 5,
            "only unknown kinds of segmentation are refused");
    return;
  }
  // What is written is read again as the same.
  std::array<std::uint8_t, io::kVirtioHeaderSize> again{};
  io::WriteVirtioHeader(*offload, again);
  const auto reread = io::ReadVirtioHeader(again);
  Require(reread && reread->gso_type == offload->gso_type &&
              reread->needs_checksum == offload->needs_checksum &&
              reread->gso_size == offload->gso_size &&
              reread->header_length == offload->header_length &&
              reread->checksum_start == offload->checksum_start &&
              reread->checksum_offset == offload->checksum_offset,
          "the header survives writing and reading");

  // The last bytes repeated: super-packets are longer than what a fuzzer likes to write.
  const std::size_t more = std::size_t{input.Byte()} * 256;
  Bytes whole = input.Copy(input.size());
  for (std::size_t i = 0; i < more && !whole.empty(); ++i) {
    whole.push_back(static_cast<std::uint8_t>(i * 7));
  }
  Bytes original = whole;
  const auto made = Splitter::Make({whole, *offload});
  if (std::holds_alternative<packet::DropReason>(made)) {
    return;
  }
  const auto& splitter = std::get<Splitter>(made);
  std::vector<Bytes> segments;
  for (std::size_t i = 0; i < splitter.segment_count(); ++i) {
    segments.emplace_back(splitter.segment_size(i), std::uint8_t{0xee});
    splitter.Write(i, segments.back());
  }
  Require(whole == original, "the super-packet is not touched");
  if (offload->gso_type == GsoType::kNone) {
    Require(segments.size() == 1, "one packet");
    CheckSingle(whole, *offload, segments.front());
  } else {
    CheckSegments(splitter, whole, *offload, segments);
  }
}

ADIT_FUZZ_TARGET(split, FuzzSplit)

}  // namespace
}  // namespace adit::fuzz
