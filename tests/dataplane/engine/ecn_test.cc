// ECN per RFC 6040: copied on the way in, combined on the way out, for both inner families.
#include "dataplane/engine/inner_packet.h"
#include "tests/dataplane/engine/engine_pair.h"

namespace adit::engine {
namespace {

using packet::DropReason;
using testing::BuildPacket;
using testing::Bytes;

constexpr std::uint8_t kDrop = 0xff;
// RFC 6040 figure 4: the outgoing ECN by [inner][outer]; Not-ECT 0, ECT(1) 1, ECT(0) 2, CE 3.
constexpr std::uint8_t kOutgoing[4][4] = {
    {0, 0, 0, kDrop},
    {1, 1, 1, 3},
    {2, 1, 2, 3},
    {3, 3, 3, 3},
};
constexpr std::uint8_t kDscp = 0xb8;

std::uint8_t TosOf(const Bytes& packet) {
  return (packet[0] >> 4) == 6 ? static_cast<std::uint8_t>(LoadBe16(packet.data()) >> 4)
                               : packet[1];
}

class Ecn : public testing::EnginePair {
 protected:
  Ecn() {
    Allow(client_, gateway_, "fd00:9::/64");
    Allow(gateway_, client_, "fd00:1::2/128");
  }
  void Allow(testing::EngineHost& host, const testing::EngineHost& peer, const char* prefix) {
    PeerPatch patch = host.PatchFor(peer, prefix, false);
    patch.replace_allowed_ips = false;
    (void)host.engine->ApplyPatch(patch, now());
  }
};

TEST_F(Ecn, AllSixteenCombinationsForBothFamilies) {
  Connect();
  for (const bool is_v6 : {false, true}) {
    for (std::uint8_t inner = 0; inner < 4; ++inner) {
      for (std::uint8_t outer = 0; outer < 4; ++outer) {
        SCOPED_TRACE(::testing::Message()
                     << "v6 " << is_v6 << " inner " << int{inner} << " outer " << int{outer});
        const auto tos = static_cast<std::uint8_t>(kDscp | inner);
        const Bytes packet =
            is_v6 ? BuildPacket({.source = "fd00:1::2", .destination = "fd00:9::5", .tos = tos})
                  : BuildPacket({.tos = tos});
        client_.SendFromTun(packet, now());
        ASSERT_EQ(client_.datagrams.sent.size(), 1U);
        const testing::SentDatagram sent = client_.datagrams.sent.front();
        client_.datagrams.sent.clear();
        EXPECT_EQ(sent.path.tos, inner) << "normal mode: ECN copied, DSCP not";
        const std::uint64_t dropped = gateway_.drops(DropReason::kEcnNotCapable);
        gateway_.Receive(sent.bytes, client_.endpoint(), now(), outer);
        if (kOutgoing[inner][outer] == kDrop) {
          EXPECT_TRUE(gateway_.tun.delivered.empty());
          EXPECT_EQ(gateway_.drops(DropReason::kEcnNotCapable), dropped + 1);
          continue;
        }
        ASSERT_EQ(gateway_.tun.delivered.size(), 1U);
        Bytes delivered = gateway_.tun.delivered.front();
        gateway_.tun.delivered.clear();
        EXPECT_EQ(TosOf(delivered), kDscp | kOutgoing[inner][outer]);
        EXPECT_TRUE(testing::HasValidChecksums(delivered));
        EXPECT_EQ(delivered.size(), packet.size());
        EXPECT_TRUE(std::equal(delivered.begin() + 12, delivered.end(), packet.begin() + 12));
      }
    }
  }
}

TEST_F(Ecn, TheHeaderChecksumStaysRightForEveryTosAndSum) {
  for (int tos = 0; tos < 256; ++tos) {
    for (int id = 0; id < 65536; id += 257) {
      Bytes packet = BuildPacket(
          {.tos = static_cast<std::uint8_t>(tos), .ip_id = static_cast<std::uint16_t>(id)});
      if (DecapsulateEcn(packet, 3)) {
        ASSERT_EQ(testing::SlowChecksum(ByteSpan(packet).first(20)), 0) << tos << " " << id;
      }
    }
  }
}

TEST_F(Ecn, HandshakesAndKeepalivesAreMarkedAsTheKernelsAre) {
  client_.SendFromTun(BuildPacket({.tos = 0xb9}), now());
  EXPECT_EQ(client_.datagrams.sent.front().path.tos, 0x88) << "AF41, Not-ECT";
  Settle();
  RunFor(seconds(11));
  gateway_.tun.delivered.clear();
  client_.SendFromTun(BuildPacket({.tos = 0xb9}), now());
  EXPECT_EQ(client_.datagrams.sent.front().path.tos, 1);
}

}  // namespace
}  // namespace adit::engine
