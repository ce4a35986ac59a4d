#include "dataplane/access/gate.h"

#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"

namespace adit::access {
namespace {

using packet::DropReason;
using testing::BuildIcmpError;
using testing::BuildPacket;
using testing::Bytes;
using testing::PacketSpec;

constexpr PeerId kPeer = 7;
constexpr std::uint8_t kSyn = 0x02;
constexpr std::uint8_t kSynAck = 0x12;
constexpr std::uint8_t kAck = 0x10;

class GateTest : public ::testing::Test {
 protected:
  GateTest() : gate_(0x1234567, 1024) {}

  void Grant(const std::string& id, const std::string& prefix, const TrafficFilter& filter,
             Instant deadline = Instant::Max()) {
    gate_.rules().PutResource({id, {*IpPrefix::Parse(prefix)}, filter, true});
    gate_.rules().PutGrant(kPeer, {PublicKey(), id, deadline});
    gate_.RulesChanged();
  }
  static TrafficFilter Tcp(std::uint16_t first, std::uint16_t last) {
    return {false, {{TrafficRule::Protocol::kTcp, first, last}}};
  }
  static TrafficFilter All() { return {true, {}}; }

  static packet::IpPacket Parse(const Bytes& bytes) {
    const auto result = packet::ParseIpPacket(bytes);
    EXPECT_TRUE(std::holds_alternative<packet::IpPacket>(result));
    return std::get<packet::IpPacket>(result);
  }
  std::optional<DropReason> FromPeer(const Bytes& bytes) {
    return gate_.CheckFromPeer(kPeer, Parse(bytes), bytes, now_);
  }
  std::optional<DropReason> TowardPeer(const Bytes& bytes) {
    return gate_.CheckTowardPeer(kPeer, Parse(bytes), bytes, now_);
  }
  static Bytes TcpFromPeer(std::uint8_t flags, std::uint16_t port = 443) {
    return BuildPacket({.protocol = 6, .destination_port = port, .tcp_flags = flags});
  }
  static Bytes TcpTowardPeer(std::uint8_t flags, std::uint16_t port = 443) {
    return BuildPacket({.source = "10.0.0.5",
                        .destination = "100.64.0.2",
                        .protocol = 6,
                        .source_port = port,
                        .destination_port = 40000,
                        .tcp_flags = flags});
  }

  Gate gate_;
  Instant now_{seconds(1000)};
};

TEST_F(GateTest, DeniesByDefault) {
  EXPECT_EQ(FromPeer(TcpFromPeer(kSyn)), DropReason::kNoGrant);
  EXPECT_EQ(TowardPeer(TcpTowardPeer(kAck)), DropReason::kNoFlow);
}

TEST_F(GateTest, AnEmptyFilterPermitsNothing) {
  Grant("r", "10.0.0.0/8", {});
  EXPECT_EQ(FromPeer(TcpFromPeer(kSyn)), DropReason::kFilterRefused);
}

TEST_F(GateTest, AGrantWithoutItsResourcePermitsNothing) {
  gate_.rules().PutGrant(kPeer, {PublicKey(), "missing", Instant::Max()});
  gate_.RulesChanged();
  EXPECT_EQ(FromPeer(TcpFromPeer(kSyn)), DropReason::kNoGrant);
}

TEST_F(GateTest, OpensWhatIsGrantedAndLetsAnswersPass) {
  Grant("r", "10.0.0.0/8", Tcp(443, 443));
  EXPECT_EQ(FromPeer(TcpFromPeer(kSyn)), std::nullopt);
  EXPECT_EQ(TowardPeer(TcpTowardPeer(kSynAck)), std::nullopt);
  EXPECT_EQ(FromPeer(TcpFromPeer(kAck)), std::nullopt);
  EXPECT_EQ(TowardPeer(TcpTowardPeer(kAck)), std::nullopt);
  EXPECT_EQ(gate_.flows().size(), 1U);
}

TEST_F(GateTest, FiltersByPortAndProtocol) {
  Grant("r", "10.0.0.0/8", Tcp(8000, 8100));
  EXPECT_EQ(FromPeer(TcpFromPeer(kSyn, 7999)), DropReason::kFilterRefused);
  EXPECT_EQ(FromPeer(TcpFromPeer(kSyn, 8000)), std::nullopt);
  EXPECT_EQ(FromPeer(TcpFromPeer(kSyn, 8100)), std::nullopt);
  EXPECT_EQ(FromPeer(TcpFromPeer(kSyn, 8101)), DropReason::kFilterRefused);
  EXPECT_EQ(FromPeer(BuildPacket({.protocol = 17, .destination_port = 8050})),
            DropReason::kFilterRefused);
  EXPECT_EQ(FromPeer(BuildPacket({.protocol = 1})), DropReason::kFilterRefused);
  EXPECT_EQ(FromPeer(BuildPacket({.protocol = 47})), DropReason::kFilterRefused);
}

TEST_F(GateTest, OtherDestinationsStayDenied) {
  Grant("r", "10.0.0.4/31", All());
  EXPECT_EQ(FromPeer(BuildPacket({.destination = "10.0.0.5"})), std::nullopt);
  EXPECT_EQ(FromPeer(BuildPacket({.destination = "10.0.0.6"})), DropReason::kNoGrant);
}

TEST_F(GateTest, AnotherPeersGrantsAndFlowsDoNotCount) {
  Grant("r", "10.0.0.0/8", All());
  const Bytes out = TcpFromPeer(kSyn);
  ASSERT_EQ(FromPeer(out), std::nullopt);
  EXPECT_EQ(gate_.CheckFromPeer(kPeer + 1, Parse(out), out, now_), DropReason::kNoGrant);
  const Bytes back = TcpTowardPeer(kSynAck);
  EXPECT_EQ(gate_.CheckTowardPeer(kPeer + 1, Parse(back), back, now_), DropReason::kNoFlow);
}

TEST_F(GateTest, AResourceCannotConnectToThePeerFromAnAllowedPort) {
  Grant("r", "10.0.0.0/8", Tcp(443, 443));
  EXPECT_EQ(TowardPeer(TcpTowardPeer(kSyn)), DropReason::kNoFlow);
  ASSERT_EQ(FromPeer(TcpFromPeer(kSyn)), std::nullopt);
  EXPECT_EQ(TowardPeer(TcpTowardPeer(kSyn)), DropReason::kNoFlow);
}

TEST_F(GateTest, PingPassesOnlyFromThePeer) {
  Grant("r", "10.0.0.0/8", {false, {{TrafficRule::Protocol::kIcmp, 0, 0}}});
  const PacketSpec back{.source = "10.0.0.5", .destination = "100.64.0.2", .protocol = 1};
  PacketSpec reply = back;
  reply.icmp_type = 0;
  EXPECT_EQ(TowardPeer(BuildPacket(reply)), DropReason::kNoFlow);
  EXPECT_EQ(FromPeer(BuildPacket({.protocol = 1})), std::nullopt);
  EXPECT_EQ(TowardPeer(BuildPacket(reply)), std::nullopt);
  EXPECT_EQ(TowardPeer(BuildPacket(back)), DropReason::kNoFlow) << "a request toward the peer";
  PacketSpec unsolicited{.protocol = 1, .source_port = 9};
  unsolicited.icmp_type = 13;  // timestamp request
  EXPECT_EQ(FromPeer(BuildPacket(unsolicited)), DropReason::kFilterRefused);
}

TEST_F(GateTest, APingWithoutIdentifierLetsNoOtherIcmpPass) {
  Grant("r", "10.0.0.0/8", {false, {{TrafficRule::Protocol::kIcmp, 0, 0}}});
  PacketSpec ping{.protocol = 1, .source_port = 0};
  ASSERT_EQ(FromPeer(BuildPacket(ping)), std::nullopt);
  PacketSpec reply{.source = "10.0.0.5", .destination = "100.64.0.2", .protocol = 1};
  reply.source_port = 0;
  reply.icmp_type = 0;
  ASSERT_EQ(TowardPeer(BuildPacket(reply)), std::nullopt);
  for (const std::uint8_t type : Bytes{9, 10, 13, 14, 17, 18, 42}) {
    ping.icmp_type = type;
    reply.icmp_type = type;
    EXPECT_EQ(FromPeer(BuildPacket(ping)), DropReason::kFilterRefused) << int{type};
    EXPECT_EQ(TowardPeer(BuildPacket(reply)), DropReason::kNoFlow) << int{type};
  }
}

TEST_F(GateTest, RevocationCutsAnOpenFlowAtItsNextPacket) {
  Grant("r", "10.0.0.0/8", All());
  ASSERT_EQ(FromPeer(TcpFromPeer(kSyn)), std::nullopt);
  ASSERT_EQ(TowardPeer(TcpTowardPeer(kSynAck)), std::nullopt);
  gate_.rules().RemoveGrant(kPeer, "r");
  gate_.RulesChanged();
  EXPECT_EQ(TowardPeer(TcpTowardPeer(kAck)), DropReason::kNoFlow);
  EXPECT_EQ(FromPeer(TcpFromPeer(kAck)), DropReason::kNoGrant);
  EXPECT_EQ(gate_.flows().size(), 0U);
}

TEST_F(GateTest, ANarrowedFilterCutsTheFlowsItNoLongerPermits) {
  Grant("r", "10.0.0.0/8", Tcp(1, 1000));
  ASSERT_EQ(FromPeer(TcpFromPeer(kSyn, 443)), std::nullopt);
  ASSERT_EQ(FromPeer(TcpFromPeer(kSyn, 80)), std::nullopt);
  Grant("r", "10.0.0.0/8", Tcp(80, 80));
  EXPECT_EQ(FromPeer(TcpFromPeer(kAck, 443)), DropReason::kFilterRefused);
  EXPECT_EQ(FromPeer(TcpFromPeer(kAck, 80)), std::nullopt);
}

TEST_F(GateTest, AFlowSurvivesWhenAnotherGrantStillPermitsIt) {
  Grant("wide", "10.0.0.0/8", All());
  Grant("narrow", "10.0.0.5/32", Tcp(443, 443));
  ASSERT_EQ(FromPeer(TcpFromPeer(kSyn)), std::nullopt);
  gate_.rules().RemoveGrant(kPeer, "narrow");
  gate_.RulesChanged();
  EXPECT_EQ(FromPeer(TcpFromPeer(kAck)), std::nullopt);
}

TEST_F(GateTest, ExpiryIsEnforcedWithoutAnyUpdate) {
  Grant("r", "10.0.0.0/8", All(), now_ + seconds(5));
  ASSERT_EQ(FromPeer(TcpFromPeer(kSyn)), std::nullopt);
  now_ = now_ + seconds(5);
  EXPECT_EQ(TowardPeer(TcpTowardPeer(kSynAck)), DropReason::kNoFlow);
  EXPECT_EQ(FromPeer(TcpFromPeer(kSyn)), DropReason::kGrantExpired);
}

TEST_F(GateTest, IcmpErrorsPassOnlyWhenTheyQuoteAnOpenFlow) {
  Grant("r", "10.0.0.0/8", All());
  const Bytes out = BuildPacket({.protocol = 17, .destination_port = 53});
  const Bytes error = BuildIcmpError("10.0.0.1", "100.64.0.2", 3, 4, out);
  EXPECT_EQ(TowardPeer(error), DropReason::kNoFlow);
  ASSERT_EQ(FromPeer(out), std::nullopt);
  EXPECT_EQ(TowardPeer(error), std::nullopt);
  EXPECT_EQ(TowardPeer(BuildIcmpError("10.0.0.1", "100.64.0.2", 5, 1, out)), DropReason::kNoFlow)
      << "a redirect";
  const Bytes misdirected = BuildIcmpError("10.0.0.1", "100.64.0.3", 3, 4, out);
  EXPECT_EQ(TowardPeer(misdirected), DropReason::kNoFlow);
}

TEST_F(GateTest, ThePeersOwnIcmpErrorsGoOnlyToWhoSentTheQuotedPacket) {
  Grant("r", "10.0.0.0/8", All());
  ASSERT_EQ(FromPeer(BuildPacket({.protocol = 17, .destination_port = 53})), std::nullopt);
  const Bytes answer = BuildPacket({.source = "10.0.0.5",
                                    .destination = "100.64.0.2",
                                    .protocol = 17,
                                    .source_port = 53,
                                    .destination_port = 40000});
  EXPECT_EQ(FromPeer(BuildIcmpError("100.64.0.2", "10.0.0.5", 3, 3, answer)), std::nullopt);
  EXPECT_EQ(FromPeer(BuildIcmpError("100.64.0.2", "10.0.0.9", 3, 3, answer)), DropReason::kNoFlow);
}

TEST_F(GateTest, LaterFragmentsShareTheFirstOnesVerdict) {
  Grant("r", "10.0.0.0/8", {false, {{TrafficRule::Protocol::kUdp, 53, 53}}});
  PacketSpec spec{
      .protocol = 17, .destination_port = 53, .payload = Bytes(3000, 9), .dont_fragment = false};
  const auto fragments = testing::FragmentIpv4(BuildPacket(spec), 1000);
  ASSERT_EQ(fragments.size(), 4U);
  EXPECT_EQ(FromPeer(fragments[1]), DropReason::kFragmentWithoutFirst);
  EXPECT_EQ(FromPeer(fragments[0]), std::nullopt);
  EXPECT_EQ(FromPeer(fragments[1]), std::nullopt);
  EXPECT_EQ(FromPeer(fragments[3]), std::nullopt);
  spec.destination_port = 54;
  spec.ip_id = 0x4321;
  const auto refused = testing::FragmentIpv4(BuildPacket(spec), 1000);
  EXPECT_EQ(FromPeer(refused[0]), DropReason::kFilterRefused);
  EXPECT_EQ(FromPeer(refused[1]), DropReason::kFragmentWithoutFirst);
  gate_.rules().RemoveGrant(kPeer, "r");
  gate_.RulesChanged();
  EXPECT_EQ(FromPeer(fragments[2]), DropReason::kFragmentWithoutFirst) << "after revocation";
}

TEST_F(GateTest, LaterFragmentsEndWithTheGrant) {
  Grant("r", "10.0.0.0/8", All(), now_ + seconds(5));
  const auto fragments = testing::FragmentIpv4(
      BuildPacket({.protocol = 17, .payload = Bytes(3000, 9), .dont_fragment = false}), 1000);
  ASSERT_EQ(FromPeer(fragments[0]), std::nullopt);
  now_ = now_ + seconds(4);
  EXPECT_EQ(FromPeer(fragments[1]), std::nullopt);
  now_ = now_ + seconds(1);
  EXPECT_EQ(FromPeer(fragments[2]), DropReason::kFragmentWithoutFirst);
}

TEST_F(GateTest, RemovingThePeerRemovesItsFlows) {
  Grant("r", "10.0.0.0/8", All());
  ASSERT_EQ(FromPeer(TcpFromPeer(kSyn)), std::nullopt);
  gate_.RemovePeer(kPeer);
  EXPECT_EQ(gate_.flows().size(), 0U);
  EXPECT_EQ(FromPeer(TcpFromPeer(kAck)), DropReason::kNoGrant);
}

}  // namespace
}  // namespace adit::access
