// What the TUN writer merges comes out, when it is cut again, as the packets that went in: each
// once, bit for bit, in order within its flow; also when the kernel refuses.
#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>

#include "dataplane/io/tun_writer.h"
#include "dataplane/io/virtio_header.h"
#include "dataplane/packet/ip_packet.h"
#include "dataplane/packet/split.h"
#include "tests/fuzz/next_packet.h"
#include "tests/support/fake_syscalls.h"

namespace adit::fuzz {
namespace {

using testing::Bytes;
using Flows = std::map<std::uint32_t, std::vector<Bytes>>;

std::uint32_t FlowOf(ByteSpan packet) {
  const auto parsed = packet::ParseIpPacket(packet);
  const auto* view = std::get_if<packet::IpPacket>(&parsed);
  return view != nullptr ? packet::FlowHash(*view) : 0;
}

// The identification of a packet with DF means nothing and may be counted up (RFC 6864 4.1); its
// checksum stays as right, or as wrong, as it was.
Bytes WithoutFreeId(Bytes packet) {
  if (packet.size() >= 20 && packet[0] == 0x45 && packet[6] == 0x40) {
    const bool is_right = testing::SlowChecksum(ByteSpan(packet).first(20)) == 0;
    packet[4] = packet[5] = packet[11] = 0;
    packet[10] = is_right ? 1 : 0;
  }
  return packet;
}

// A TUN that reads what is written as the kernel would, and refuses what it is told to.
class CuttingKernel final : public testing::FakeSyscalls {
 public:
  std::ptrdiff_t Write(int, const void* buffer, std::size_t size) override {
    const auto* bytes = static_cast<const std::uint8_t*>(buffer);
    if (refuses_trains) {
      return -EINVAL;  // its packets come singly then
    }
    Cut({bytes, bytes + size});
    return lost == 0 ? static_cast<std::ptrdiff_t>(size) : -lost;
  }
  std::ptrdiff_t WriteV(int, const iovec* parts, int count) override {
    Bytes all;
    for (int i = 0; i < count; ++i) {
      const auto* bytes = static_cast<const std::uint8_t*>(parts[i].iov_base);
      all.insert(all.end(), bytes, bytes + parts[i].iov_len);
    }
    const auto size = static_cast<std::ptrdiff_t>(all.size());
    Cut(std::move(all));
    return lost == 0 ? size : -lost;
  }

  bool refuses_trains = false;
  int lost = 0;  // the errno of packets that were seen and refused
  Flows out;

 private:
  void Cut(Bytes bytes) {
    constexpr std::size_t kHeader = io::kVirtioHeaderSize;
    Require(bytes.size() > kHeader, "a header and a packet");
    const auto offload =
        io::ReadVirtioHeader(std::span<const std::uint8_t, kHeader>(bytes.data(), kHeader));
    Require(offload.has_value(), "a header that makes sense");
    if (offload->gso_type == packet::GsoType::kNone) {
      Require(std::count(bytes.begin(), bytes.begin() + kHeader, 0) == kHeader,
              "a lone packet is left as it is");
      Put({bytes.begin() + kHeader, bytes.end()});
      return;
    }
    const auto made = packet::Splitter::Make({MutableByteSpan(bytes).subspan(kHeader), *offload});
    Require(std::holds_alternative<packet::Splitter>(made), "a train that can be cut");
    const auto& splitter = std::get<packet::Splitter>(made);
    Require(splitter.segment_count() > 1, "a train has more than one packet");
    for (std::size_t i = 0; i < splitter.segment_count(); ++i) {
      Bytes packet(splitter.segment_size(i));
      splitter.Write(i, packet);
      Put(std::move(packet));
    }
  }
  void Put(Bytes packet) {
    const std::uint32_t flow = FlowOf(packet);
    out[flow].push_back(WithoutFreeId(std::move(packet)));
  }
};

// A flow that goes on: the next packet follows the one before, unless a choice says otherwise.
struct GoingFlow {
  testing::PacketSpec spec;
  std::uint8_t size = 0;
  std::uint8_t fill = 0;

  void Start(Input& input) {
    spec = NextSpec(input, false);
    spec.tcp_flags = 0x10;
    spec.dont_fragment = true;
    size = input.Byte();
  }
  Bytes Next(Input& input, std::uint8_t what) {
    spec.tcp_flags = 0x10;
    std::size_t length = size * std::size_t{(what & 64) != 0 ? 60U : 1U};
    switch (what & 15) {
      case 0:
        spec.tos ^= 1;
        break;
      case 1:
        spec.tcp_sequence = input.U32();
        break;
      case 2:
        spec.ip_id = input.U16();
        break;
      case 3:
        spec.dont_fragment = !spec.dont_fragment;
        break;
      case 4:
        spec.tcp_flags = input.Byte();
        break;
      case 5:
        length = std::min<std::size_t>(length, input.Byte());
        break;
      case 6:
        spec.tcp_options = (input.Byte() & 1) != 0 ? Bytes{1, 1, 1, 0} : Bytes{};
        break;
      case 7:
        spec.tcp_acknowledgement += 1;
        break;
      default:
        break;
    }
    spec.payload.assign(length, fill++);
    const Bytes packet = testing::BuildPacket(spec);
    spec.tcp_sequence += static_cast<std::uint32_t>(length);
    spec.ip_id = static_cast<std::uint16_t>(spec.ip_id + ((what & 32) != 0 ? 0 : 1));
    return packet;
  }
};

void FuzzCoalesce(Input input) {
  CuttingKernel kernel;
  const std::uint8_t how = input.Byte();
  io::TunWriter writer(kernel, 3, {.tcp = (how & 1) == 0, .udp = (how & 2) == 0});
  const std::uint32_t hash_mask = (how & 4) != 0 ? 1 : UINT32_MAX;  // flows that collide
  std::array<GoingFlow, 4> flows;
  for (GoingFlow& flow : flows) {
    flow.Start(input);
  }
  Flows in;
  std::uint64_t count = 0;
  std::vector<std::unique_ptr<Bytes>> kept;
  const auto flush = [&] {
    writer.FlushDeliveries();
    for (const auto& bytes : kept) {  // nothing is borrowed any more
      std::ranges::fill(*bytes, std::uint8_t{0xdd});
    }
    kept.clear();
    Require(kernel.out == in, "every packet once, as it was, in its flow's order");
  };
  const auto deliver = [&](Bytes packet) {
    kept.push_back(std::make_unique<Bytes>(std::move(packet)));
    const std::uint32_t flow = FlowOf(*kept.back());
    in[flow].push_back(WithoutFreeId(*kept.back()));
    writer.Deliver(*kept.back(), flow & hash_mask);
    ++count;
  };
  for (int step = 0; step < 200 && !input.empty(); ++step) {
    const std::uint8_t what = input.Byte();
    GoingFlow& flow = flows[what >> 4 & 3];
    switch (what & 15) {
      case 0: {
        const std::uint8_t kernel_does = input.Byte();
        kernel.refuses_trains = (kernel_does & 1) != 0;
        kernel.lost = (kernel_does & 2) != 0 ? EIO : 0;
        break;
      }
      case 1:
        flush();
        break;
      case 2: {
        Bytes any = input.Copy(input.Byte());
        if (!any.empty()) {
          deliver(std::move(any));
        }
        break;
      }
      case 3: {
        Bytes altered = flow.Next(input, 0xff);
        const std::size_t at = input.U16() % altered.size();
        altered[at] = static_cast<std::uint8_t>(altered[at] ^ input.Byte());
        deliver(std::move(altered));
        break;
      }
      case 4:
        flow.Start(input);
        break;
      case 5:
      case 6:
      case 7:
        for (std::uint32_t burst = input.Below(140); burst != 0; --burst) {
          deliver(flow.Next(input, 0xff));
        }
        break;
      default:
        deliver(flow.Next(input, input.Byte()));
    }
  }
  flush();
  const io::TunWriterCounters& counters = writer.counters();
  Require(counters.packets == count, "every packet is counted");
}

ADIT_FUZZ_TARGET(coalesce, FuzzCoalesce)

}  // namespace
}  // namespace adit::fuzz
