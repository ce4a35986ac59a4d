#include <map>
#include <random>

#include <gtest/gtest.h>

#include "tests/dataplane/io/tun_capture.h"
#include "tests/support/seeded_random.h"

// Whatever is delivered, in whatever mixture, comes out again when what was written is cut: every
// packet once, bit for bit, and in order within each flow.
namespace adit::io {
namespace {

using testing::SeededRandom;

class RandomFlow {
 public:
  RandomFlow(SeededRandom& random, std::uint16_t number) : random_(random), flow_(Spec(number)) {
    flow_.id_step = random_.Chance(0.2) ? 0 : 1;
    segment_size_ = SomeSize();
  }

  // Mostly the next packet of a bulk transfer; sometimes anything else that a peer may send.
  Bytes Next() {
    if (random_.Chance(0.02)) segment_size_ = SomeSize();
    PacketSpec& spec = flow_.spec();
    if (random_.Chance(0.02)) spec.tos ^= 1;
    if (random_.Chance(0.01)) spec.ttl ^= 1;
    if (random_.Chance(0.02)) spec.tcp_acknowledgement += 1000;
    if (random_.Chance(0.02)) spec.tcp_window ^= 0x100;
    if (random_.Chance(0.02)) spec.tcp_sequence += 1;
    if (random_.Chance(0.02)) spec.ip_id += 1;
    if (random_.Chance(0.01)) spec.dont_fragment = !spec.dont_fragment;
    if (random_.Chance(0.02)) spec.tcp_options = random_.Chance(0.5) ? Bytes{} : Bytes{1, 1, 1, 0};
    const std::size_t size = random_.Chance(0.1) ? random_.Below(segment_size_ + 1) : segment_size_;
    const std::uint8_t flags =
        random_.Chance(0.1) ? static_cast<std::uint8_t>(random_.Below(256)) : std::uint8_t{0x10};
    Bytes packet = flow_.Next(size, flags);
    if (random_.Chance(0.02)) FlipBit(packet);
    return packet;
  }

 private:
  void FlipBit(Bytes& packet) {
    packet[random_.Below(packet.size())] ^= static_cast<std::uint8_t>(1U << random_.Below(8));
  }
  PacketSpec Spec(std::uint16_t number) {
    PacketSpec spec;
    const bool is_v6 = random_.Chance(0.5);
    spec.source = is_v6 ? "fd00::2" : "100.64.0.2";
    spec.destination = is_v6 ? "fd00::5" : "10.0.0.5";
    spec.protocol = random_.Chance(0.1) ? 47 : random_.Chance(0.5) ? 6 : 17;
    spec.source_port = number;
    spec.tcp_sequence = static_cast<std::uint32_t>(-20000);  // wraps
    spec.ip_id = 0xfff0;
    return spec;
  }
  std::size_t SomeSize() {
    return random_.Chance(0.05) ? 1 + random_.Below(30000) : 1 + random_.Below(1400);
  }

  SeededRandom& random_;
  Flow flow_;
  std::size_t segment_size_ = 0;
};

// The identification of a packet with DF means nothing and may have been rewritten.
Bytes WithoutFreeId(Bytes packet) {
  if (packet.size() >= 20 && packet[0] == 0x45 && packet[6] == 0x40) {
    // Together with the header's checksum, which must be as right or as wrong as it was.
    const bool is_right = testing::SlowChecksum(ByteSpan(packet).first(20)) == 0;
    packet[4] = packet[5] = packet[11] = 0;
    packet[10] = is_right ? 1 : 0;
  }
  return packet;
}

TEST(TunWriterProperty, WhatWasMergedIsCutIntoTheSamePackets) {
  std::uint64_t merged = 0;
  std::uint64_t delivered = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    SeededRandom random(seed);
    FakeSyscalls kernel;
    TunWriter writer(kernel, 3, {.tcp = true, .udp = true});
    // Some seeds have more flows than trains; some, hashes that collide.
    std::vector<RandomFlow> flows;
    const std::uint64_t flow_count = 1 + random.Below(24);
    for (std::uint16_t i = 0; i < flow_count; ++i) flows.emplace_back(random, i);
    const std::uint32_t hash_mask = random.Chance(0.3) ? 3 : 0xffffffff;

    std::map<std::uint32_t, std::vector<Bytes>> in;
    std::map<std::uint32_t, std::vector<Bytes>> out;
    std::vector<std::unique_ptr<Bytes>> kept;
    const auto flush = [&] {
      writer.FlushDeliveries();
      kept.clear();
      for (Bytes& written : kernel.written) {
        for (Bytes& packet : ReadWrite(std::move(written)).packets) {
          out[HashOf(packet)].push_back(WithoutFreeId(std::move(packet)));
        }
      }
      kernel.written.clear();
    };
    for (int i = 0; i < 400; ++i) {
      RandomFlow& flow = flows[random.Below(flows.size())];
      for (std::uint64_t burst = 1 + random.Below(40); burst > 0; --burst) {
        kept.push_back(std::make_unique<Bytes>(flow.Next()));
        Bytes& packet = *kept.back();
        const std::uint32_t hash = HashOf(packet);
        in[hash].push_back(WithoutFreeId(packet));
        writer.Deliver(packet, hash & hash_mask);
        if (random.Chance(0.3)) break;
      }
      if (random.Chance(0.05)) flush();
    }
    flush();
    ASSERT_EQ(in.size(), out.size());
    for (const auto& [hash, packets] : in) ASSERT_TRUE(packets == out[hash]) << hash;
    merged += writer.counters().packets_merged;
    delivered += writer.counters().packets;
  }
  // That the property is not kept by never merging.
  EXPECT_GT(merged, delivered / 3);
}

}  // namespace
}  // namespace adit::io
