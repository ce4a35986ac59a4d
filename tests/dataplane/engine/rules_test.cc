// Rules of the WireGuard contract that need an engine: endpoints, packets, configuration, load.
#include "dataplane/engine/handshake_queue.h"
#include "dataplane/wireguard/constants.h"
#include "tests/dataplane/engine/engine_pair.h"
#include "tests/dataplane/wireguard/side.h"

namespace adit::engine {
namespace {

using packet::DropReason;
using testing::BuildPacket;
using testing::Bytes;
using testing::EngineHost;
using testing::SentDatagram;

class EngineRules : public testing::EnginePair {
 protected:
  static PeerReport ReportOf(const EngineHost& host) {
    std::vector<PeerReport> reports;
    (void)host.engine->AppendReports(0, 10, reports);
    EXPECT_EQ(reports.size(), 1U);
    return reports.empty() ? PeerReport() : reports.front();
  }
  // The next datagram the host sent.
  static SentDatagram Take(EngineHost& host) {
    EXPECT_FALSE(host.datagrams.sent.empty());
    SentDatagram sent = host.datagrams.sent.front();
    host.datagrams.sent.pop_front();
    return sent;
  }
  static std::size_t SizeOf(const SentDatagram& sent) { return sent.bytes.size(); }
  // Fires what is due and counts the initiations that leave; nothing arrives anywhere.
  std::size_t InitiationsInTheDark(EngineHost& host, Duration duration) {
    std::size_t initiations = 0;
    for (const Instant end = now().boot + duration; now().boot < end;) {
      time_.Advance(milliseconds(100));
      host.engine->HandleTimeout(now());
      for (; !host.datagrams.sent.empty(); host.datagrams.sent.pop_front()) {
        initiations += SizeOf(host.datagrams.sent.front()) == wireguard::kInitiationSize ? 1U : 0U;
      }
    }
    return initiations;
  }

  const Endpoint elsewhere_ = *Endpoint::Parse("203.0.113.7:7777");
};

TEST_F(EngineRules, R02_TheSameInitiationIsAnsweredOnce) {
  client_.SendFromTun(BuildPacket({}), now());
  const SentDatagram initiation = Take(client_);
  gateway_.Receive(initiation.bytes, client_.endpoint(), now());
  EXPECT_EQ(SizeOf(Take(gateway_)), wireguard::kResponseSize);
  time_.Advance(seconds(30));
  gateway_.Receive(initiation.bytes, elsewhere_, now());
  EXPECT_TRUE(gateway_.datagrams.sent.empty());
  EXPECT_EQ(gateway_.drops(DropReason::kHandshakeReplayed), 1U);
  EXPECT_EQ(ReportOf(gateway_).endpoint, client_.endpoint());
}

TEST_F(EngineRules, R04_ThePacketsOfTheResponderWaitForTheInitiatorsFirst) {
  client_.SendFromTun(BuildPacket({}), now());
  gateway_.Receive(Take(client_).bytes, client_.endpoint(), now());
  const SentDatagram response = Take(gateway_);
  gateway_.SendFromTun(Answer(), now());
  EXPECT_TRUE(gateway_.datagrams.sent.empty() ||
              SizeOf(gateway_.datagrams.sent.front()) == wireguard::kInitiationSize)
      << "no data under keys the client may not have";
  gateway_.datagrams.sent.clear();
  client_.Receive(response.bytes, gateway_.endpoint(), now());
  Settle();
  EXPECT_EQ(gateway_.tun.delivered.size(), 1U);
  EXPECT_EQ(client_.tun.delivered.size(), 1U) << "what waited went when the session was confirmed";
}

TEST_F(EngineRules, R06_RoamsOnAValidInitiationAndOnAValidResponse) {
  client_.SendFromTun(BuildPacket({}), now());
  gateway_.Receive(Take(client_).bytes, elsewhere_, now());
  EXPECT_EQ(ReportOf(gateway_).endpoint, elsewhere_);
  const SentDatagram response = Take(gateway_);
  EXPECT_EQ(response.path.remote, elsewhere_) << "the answer goes where the question came from";
  Bytes forged = response.bytes;
  forged[50] ^= 1;
  client_.Receive(forged, *Endpoint::Parse("203.0.113.8:1"), now());
  EXPECT_EQ(ReportOf(client_).endpoint, gateway_.endpoint());
  client_.Receive(response.bytes, elsewhere_, now());
  EXPECT_EQ(ReportOf(client_).endpoint, elsewhere_);
}

TEST_F(EngineRules, R08_AnExpiredSessionStagesAndBeginsAnew) {
  Connect();
  time_.Advance(wireguard::kRejectAfterTime);
  client_.SendFromTun(BuildPacket({}), now());
  ASSERT_EQ(client_.datagrams.sent.size(), 1U);
  EXPECT_EQ(SizeOf(client_.datagrams.sent.front()), wireguard::kInitiationSize);
  Settle();
  EXPECT_EQ(gateway_.tun.delivered.size(), 1U);
}

TEST_F(EngineRules, R08_DataUnderAnExpiredSessionIsRefused) {
  Connect();
  client_.SendFromTun(BuildPacket({}), now());
  const SentDatagram data = Take(client_);
  time_.Advance(wireguard::kRejectAfterTime);
  gateway_.Receive(data.bytes, client_.endpoint(), now());
  EXPECT_TRUE(gateway_.tun.delivered.empty());
  EXPECT_EQ(gateway_.drops(DropReason::kExpiredSession), 1U);
}

TEST_F(EngineRules, R08_PacketsThatWaitedForRoomBeginAnewWhenTheirSessionEnded) {
  Connect();
  client_.datagrams.is_full = true;
  client_.SendFromTun(BuildPacket({}), now());
  time_.Advance(wireguard::kRejectAfterTime);
  client_.datagrams.is_full = false;
  client_.engine->FlushPending(now());
  ASSERT_EQ(client_.datagrams.sent.size(), 1U);
  Settle();
  EXPECT_EQ(gateway_.tun.delivered.size(), 1U);
}

TEST_F(EngineRules, R09_APersistentKeepaliveConnectsAndKeepsSpeaking) {
  PeerPatch patch;
  patch.public_key = gateway_.key();
  patch.persistent_keepalive = 25;
  (void)client_.engine->ApplyPatch(patch, now());
  RunFor(seconds(1));
  EXPECT_TRUE(ReportOf(gateway_).last_handshake.has_value()) << "at once";
  const std::uint64_t before = gateway_.engine->counters().keepalives_received;
  RunFor(seconds(100));
  EXPECT_EQ(gateway_.engine->counters().keepalives_received, before + 4);
  (void)client_.engine->ApplyPatch(patch, now());
  client_.engine->HandleTimeout(now());
  EXPECT_TRUE(client_.datagrams.sent.empty()) << "the same value again wakes nobody";
}

TEST_F(EngineRules, R09_TwoIdlePeersFallSilent) {
  Connect();
  RunFor(seconds(60));
  const auto sealed = client_.engine->counters().datagrams_sealed;
  const auto answered = gateway_.engine->counters().datagrams_sealed;
  RunFor(seconds(120));
  EXPECT_EQ(client_.engine->counters().datagrams_sealed, sealed);
  EXPECT_EQ(gateway_.engine->counters().datagrams_sealed, answered);
}

TEST_F(EngineRules, R10_TheInitiatorConfirmsAtOnceAlsoWhenNothingWaitsAnyMore) {
  client_.SendFromTun(BuildPacket({}), now());
  PeerPatch patch = client_.PatchFor(gateway_, "10.99.0.0/16");
  (void)client_.engine->ApplyPatch(patch, now());  // the packet that waits has no route any more
  Settle();
  EXPECT_EQ(client_.drops(DropReason::kNoPeerForDestination), 1U);
  EXPECT_EQ(gateway_.engine->counters().keepalives_received, 1U);
  EXPECT_TRUE(ReportOf(gateway_).last_handshake.has_value());
}

TEST_F(EngineRules, R10_AOneWayFlowTowardTheInitiatorOutlivesItsSessions) {
  Connect();
  std::size_t sent = 0;
  for (int i = 0; i < 700; ++i) {
    gateway_.SendFromTun(Answer(), now());
    ++sent;
    Settle();
    RunFor(seconds(1));
  }
  EXPECT_EQ(client_.tun.delivered.size(), sent);
}

TEST_F(EngineRules, R11_ARetransmitForgetsTheSourceAddress) {
  Connect();
  EXPECT_TRUE(gateway_.engine->PollTimeout() > now().boot);
  gateway_.SendFromTun(Answer(), now());
  EXPECT_TRUE(Take(gateway_).path.source.address.is_set());
  gateway_.datagrams.sent.clear();
  time_.Advance(seconds(16));
  gateway_.engine->HandleTimeout(now());
  const SentDatagram initiation = Take(gateway_);
  EXPECT_EQ(SizeOf(initiation), wireguard::kInitiationSize);
  EXPECT_FALSE(initiation.path.source.address.is_set());
}

TEST_F(EngineRules, R12_UnderLoadIsAQueueOf512UntilASecondAfterItLastWas) {
  HandshakeLoad load;
  const Instant start(seconds(50));
  load.Add(511, start);
  EXPECT_FALSE(load.IsUnderLoad(start));
  load.Add(1, start);
  EXPECT_TRUE(load.IsUnderLoad(start));
  load.Remove(8, start + milliseconds(500));
  EXPECT_TRUE(load.IsUnderLoad(start + milliseconds(1499)));
  load.Remove(8, start + milliseconds(700));
  EXPECT_FALSE(load.IsUnderLoad(start + milliseconds(1500)));
}

TEST_F(EngineRules, R12_AFloodWithValidMac1MeetsCookiesBeforeAnyDiffieHellman) {
  testing::Side stranger(77);
  stranger.MakePeer(gateway_.key());
  stranger.peer->RequestHandshake(now().boot);
  const auto initiation = stranger.Poll(now());
  ASSERT_TRUE(initiation.has_value());
  Bytes bytes(initiation->begin(), initiation->end());
  for (int i = 0; i < 6000; ++i) {
    const Endpoint source{*IpAddress::Parse("203.0.113.1"), static_cast<std::uint16_t>(i + 1), 0};
    packet::ReceivedTrain train{bytes, bytes.size(), source, {}, 0};
    gateway_.engine->HandleUdpTrain(train, now());
  }
  EXPECT_EQ(gateway_.drops(DropReason::kBadMac2), 6000U - HandshakeLoad::kUnderLoadCount);
  EXPECT_EQ(gateway_.datagrams.sent.size(), 6000U - HandshakeLoad::kUnderLoadCount);
  EXPECT_EQ(SizeOf(gateway_.datagrams.sent.front()), wireguard::kCookieReplySize);
  gateway_.datagrams.sent.clear();
  for (int turns = 1; gateway_.engine->ServeHandshakes(now()); ++turns) {
    ASSERT_LE(turns, 64) << "eight a turn";
  }
  EXPECT_EQ(gateway_.drops(DropReason::kUnknownPeer), HandshakeLoad::kUnderLoadCount);
  EXPECT_TRUE(gateway_.datagrams.sent.empty());
}

TEST_F(EngineRules, R12_UnderLoadASourceWithACookieIsLimitedToTwentyASecond) {
  const auto push = [&](Bytes bytes) {
    packet::ReceivedTrain train{bytes, bytes.size(), client_.endpoint(), {}, 0};
    gateway_.engine->HandleUdpTrain(train, now());
  };
  gateway_.load.Add(HandshakeLoad::kUnderLoadCount, now().boot);
  client_.SendFromTun(BuildPacket({}), now());
  push(Take(client_).bytes);
  client_.Receive(Take(gateway_).bytes, gateway_.endpoint(), now());
  EXPECT_EQ(client_.engine->counters().cookies_accepted, 1U);
  time_.Advance(seconds(6));
  client_.engine->HandleTimeout(now());
  const Bytes with_cookie = Take(client_).bytes;
  gateway_.load.Add(1, now().boot);
  for (int i = 0; i < 20; ++i) {
    push(with_cookie);
  }
  EXPECT_EQ(gateway_.drops(DropReason::kHandshakeRateLimited), 15U) << "a burst of five";
  while (gateway_.engine->ServeHandshakes(now())) {
  }
  EXPECT_EQ(gateway_.engine->counters().handshakes_answered, 1U);
  EXPECT_EQ(gateway_.drops(DropReason::kHandshakeReplayed), 4U);
}

TEST_F(EngineRules, R12_TheHandshakeQueueIsABoundedRing) {
  const Bytes message(wireguard::kInitiationSize, 1);
  HandshakeQueue queue(2);
  for (std::uint16_t round = 0; round < 5; ++round) {
    EXPECT_TRUE(queue.Push(message, {client_.endpoint().address, round, 0}, {}));
    EXPECT_TRUE(queue.Push(message, elsewhere_, {}));
    EXPECT_FALSE(queue.Push(message, elsewhere_, {}));
    EXPECT_EQ(queue.front().remote.port, round);
    queue.Pop();
    EXPECT_EQ(queue.front().remote, elsewhere_);
    queue.Pop();
    EXPECT_TRUE(queue.empty());
  }
}

TEST_F(EngineRules, R13_ADeviceIsNotItsOwnPeer) {
  (void)client_.engine->ApplyPatch(client_.PatchFor(client_, "10.1.0.0/16"), now());
  EXPECT_EQ(client_.engine->peer_count(), 1U) << "refused";
  std::array<std::uint8_t, 32> key{};
  client_.random.Fill(key);
  EngineHost other(3, "192.0.2.3:3", false);
  ASSERT_TRUE(other.engine->SetPrivateKey(key, now()));
  (void)client_.engine->ApplyPatch(client_.PatchFor(other, "10.2.0.0/16"), now());
  EXPECT_EQ(client_.engine->peer_count(), 2U);
  ASSERT_TRUE(client_.engine->SetPrivateKey(key, now()));
  EXPECT_EQ(client_.engine->peer_count(), 1U) << "removed when its key became the own one";
}

TEST_F(EngineRules, R13_ANewPrivateKeyIsUsedAtOnce) {
  Connect();
  std::array<std::uint8_t, 32> key{};
  client_.random.Fill(key);
  const PublicKey old = client_.key();
  ASSERT_TRUE(client_.engine->SetPrivateKey(key, now()));
  PeerPatch remove;
  remove.public_key = old;
  remove.remove = true;
  (void)gateway_.engine->ApplyPatch(remove, now());
  (void)gateway_.engine->ApplyPatch(gateway_.PatchFor(client_, "100.64.0.2/32", false), now());
  client_.SendFromTun(BuildPacket({}), now());
  EXPECT_TRUE(client_.datagrams.sent.front().is_control) << "not under the old keys";
  Settle();
  EXPECT_EQ(gateway_.tun.delivered.size(), 1U);
}

TEST_F(EngineRules, R13_PacketsThatWaitedGoWhenAKeyIsSet) {
  client_.SendFromTun(BuildPacket({}), now());
  client_.datagrams.sent.clear();
  std::array<std::uint8_t, 32> key{};
  ASSERT_TRUE(client_.engine->SetPrivateKey(key, now()));
  time_.Advance(seconds(20));
  client_.engine->HandleTimeout(now());
  EXPECT_GT(client_.engine->PollTimeout(), now().boot) << "no timer in the past: nothing spins";
  client_.random.Fill(key);
  ASSERT_TRUE(client_.engine->SetPrivateKey(key, now()));
  (void)gateway_.engine->ApplyPatch(gateway_.PatchFor(client_, "100.64.0.2/32", false), now());
  Settle();
  EXPECT_EQ(gateway_.tun.delivered.size(), 1U);
}

TEST_F(EngineRules, R13_APresharedKeyOnOneSideOnlyLetsNothingThrough) {
  crypto::SymmetricKey psk;
  client_.random.Fill(psk.mutable_bytes());
  PeerPatch patch;
  patch.public_key = gateway_.key();
  patch.preshared_key = psk;
  (void)client_.engine->ApplyPatch(patch, now());
  client_.SendFromTun(BuildPacket({}), now());
  Settle();
  EXPECT_TRUE(gateway_.tun.delivered.empty());
  EXPECT_EQ(client_.drops(DropReason::kHandshakeFailed), 1U);
  patch.public_key = client_.key();
  (void)gateway_.engine->ApplyPatch(patch, now());
  RunFor(seconds(6));
  EXPECT_EQ(gateway_.tun.delivered.size(), 1U);
}

TEST_F(EngineRules, R13_AnAllowedIpMovesToTheLastPeerThatClaimsIt) {
  Connect();
  EngineHost other(3, "192.0.2.3:3", false);
  (void)client_.engine->ApplyPatch(client_.PatchFor(other, "10.0.0.0/8"), now());
  client_.SendFromTun(BuildPacket({}), now());
  ASSERT_EQ(client_.datagrams.sent.size(), 1U);
  EXPECT_EQ(client_.datagrams.sent.front().path.remote, other.endpoint());
}

TEST_F(EngineRules, R14_HandshakesThatWaitAreDroppedWhenTheLinkGoesDown) {
  client_.SendFromTun(BuildPacket({}), now());
  Bytes initiation = Take(client_).bytes;
  packet::ReceivedTrain train{initiation, initiation.size(), client_.endpoint(), {}, 0};
  gateway_.engine->HandleUdpTrain(train, now());
  gateway_.engine->SetLinkUp(false, now());
  EXPECT_FALSE(gateway_.engine->ServeHandshakes(now()));
  EXPECT_TRUE(gateway_.datagrams.sent.empty());
  EXPECT_EQ(gateway_.drops(DropReason::kLinkDown), 1U);
  gateway_.engine->SetLinkUp(true, now());
  gateway_.Receive(initiation, client_.endpoint(), now());
  EXPECT_EQ(gateway_.datagrams.sent.size(), 1U) << "its timestamp was not taken";
}

TEST_F(EngineRules, R14_NothingMovesOrSpinsWhileTheLinkIsDown) {
  PeerPatch patch;
  patch.public_key = gateway_.key();
  patch.persistent_keepalive = 1;
  (void)client_.engine->ApplyPatch(patch, now());
  Connect();
  client_.engine->SetLinkUp(false, now());
  EXPECT_EQ(InitiationsInTheDark(client_, seconds(30)), 0U);
  EXPECT_TRUE(client_.datagrams.sent.empty());
  client_.engine->SetLinkUp(true, now());
  client_.engine->HandleTimeout(now());
  EXPECT_EQ(client_.datagrams.sent.size(), 1U) << "the keepalive connects again";
}

TEST_F(EngineRules, R15_AVanishedSourceIsForgottenForThatPeerOnly) {
  Connect();
  gateway_.engine->ForgetSource(0, *IpAddress::Parse("192.0.2.200"));
  gateway_.SendFromTun(Answer(), now());
  EXPECT_TRUE(Take(gateway_).path.source.address.is_set()) << "another address vanished";
  gateway_.engine->ForgetSource(7, gateway_.endpoint().address);  // no such peer
  gateway_.engine->ForgetSource(0, gateway_.endpoint().address);
  gateway_.SendFromTun(Answer(), now());
  EXPECT_FALSE(Take(gateway_).path.source.address.is_set());
  client_.SendFromTun(BuildPacket({}), now());
  Settle();
  gateway_.SendFromTun(Answer(), now());
  EXPECT_TRUE(Take(gateway_).path.source.address.is_set()) << "learned again";
}

TEST_F(EngineRules, APersonsEndpointIsSetThoughItWasTheLastOneConfigured) {
  Connect();
  const Endpoint configured = *Endpoint::Parse("192.0.2.77:9");
  PeerPatch patch;
  patch.public_key = client_.key();
  patch.endpoint = configured;
  const auto sent_to = [&] {
    gateway_.SendFromTun(Answer(), now());
    return Take(gateway_).path.remote;
  };
  (void)gateway_.engine->ApplyPatch(patch, now());
  EXPECT_EQ(sent_to(), configured);
  client_.SendFromTun(BuildPacket({}), now());
  Settle();
  ASSERT_EQ(sent_to(), client_.endpoint()) << "it roamed";
  (void)gateway_.engine->ApplyPatch(patch, now());
  EXPECT_EQ(sent_to(), client_.endpoint()) << "configuration that is repeated";
  patch.replace_endpoint = true;
  (void)gateway_.engine->ApplyPatch(patch, now());
  EXPECT_EQ(sent_to(), configured);
}

TEST_F(EngineRules, R16_AnswersHostUnreachableInIpv6) {
  client_.SendFromTun(BuildPacket({.source = "fd00::2", .destination = "fd00::9"}), now());
  ASSERT_EQ(client_.tun.delivered.size(), 1U);
  const Bytes& error = client_.tun.delivered.front();
  EXPECT_TRUE(testing::HasValidChecksums(error));
  EXPECT_EQ(error[6], 58);
  EXPECT_EQ(error[40], 1);
  EXPECT_EQ(error[41], 3) << "address unreachable";
}

TEST_F(EngineRules, R16_ErrorsAreNotAnsweredByErrorsAndFloodsAreBounded) {
  const Bytes error = testing::BuildIcmpError("100.64.0.2", "172.16.0.1", 3, 1, BuildPacket({}));
  client_.SendFromTun(error, now());
  EXPECT_TRUE(client_.tun.delivered.empty());
  for (int i = 0; i < 1000; ++i) {
    client_.SendFromTun(BuildPacket({.destination = "172.16.0.1"}), now());
  }
  EXPECT_LE(client_.tun.delivered.size(), IcmpBudget::kBurst);
  EXPECT_EQ(client_.drops(DropReason::kNoPeerForDestination), 1001U);
}

// A client restarts and its wall clock is an hour behind: with its mark restored it connects with
// the first initiation; without, it would be taken for a replay until the clock catches up.
TEST_F(EngineRules, R17_ARestartWithAClockSetBackConnectsAtOnce) {
  Connect();
  const WallTime mark = client_.engine->greatest_timestamp();
  const Now back{now().boot + seconds(60), now().wall + seconds(60) + std::chrono::hours(-1)};
  for (const bool has_mark : {false, true}) {
    EngineHost restarted(1, "192.0.2.1:1111", false);
    ASSERT_EQ(restarted.key(), client_.key());
    (void)restarted.engine->ApplyPatch(restarted.PatchFor(gateway_, "10.0.0.0/8"), back);
    if (has_mark) {
      restarted.engine->RestoreTimestampMark(mark);
    }
    restarted.SendFromTun(BuildPacket({}), back);
    gateway_.Receive(Take(restarted).bytes, restarted.endpoint(), back);
    EXPECT_EQ(gateway_.datagrams.sent.size(), has_mark ? 1U : 0U);
    EXPECT_EQ(gateway_.drops(DropReason::kHandshakeReplayed), 1U);
  }
}

TEST_F(EngineRules, R17_ARestartedGatewayRefusesARecordedInitiation) {
  client_.SendFromTun(BuildPacket({}), now());
  const SentDatagram recorded = client_.datagrams.sent.front();
  Settle();
  const PeerReport report = ReportOf(gateway_);
  EngineHost restarted(2, "198.51.100.2:51820", false);
  (void)restarted.engine->ApplyPatch(restarted.PatchFor(client_, "100.64.0.2/32", false), now());
  restarted.engine->Restore({{client_.key(), report.endpoint, report.greatest_timestamp, false}});
  restarted.Receive(recorded.bytes, elsewhere_, now());
  EXPECT_TRUE(restarted.datagrams.sent.empty());
  EXPECT_EQ(restarted.drops(DropReason::kHandshakeReplayed), 1U);
  EXPECT_EQ(ReportOf(restarted).endpoint, client_.endpoint()) << "the remembered one";
}

TEST_F(EngineRules, R18_AfterASuspendNoDeadSessionIsUsed) {
  Connect();
  time_.now.boot = time_.now.boot + std::chrono::minutes(10);
  client_.SendFromTun(BuildPacket({}), now());
  EXPECT_EQ(SizeOf(client_.datagrams.sent.front()), wireguard::kInitiationSize);
  Settle();
  EXPECT_EQ(gateway_.tun.delivered.size(), 1U);
}

TEST_F(EngineRules, R18_AStepOfTheWallClockDisturbsNoSession) {
  Connect();
  for (const int hours : {-1, 1, 10 * 365 * 24, -20 * 365 * 24}) {
    time_.now.wall = time_.now.wall + std::chrono::hours(hours);
    client_.SendFromTun(BuildPacket({}), now());
    EXPECT_FALSE(client_.datagrams.sent.front().is_control);
    Settle();
    RunFor(seconds(130));  // through a rekey
  }
  EXPECT_EQ(gateway_.tun.delivered.size(), 4U);
}

TEST_F(EngineRules, TimersAreNeverLeftInThePast) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    testing::SeededRandom random(seed);
    std::array<std::uint8_t, 32> key{};
    for (int i = 0; i < 200; ++i) {
      time_.Advance(milliseconds(static_cast<int>(random.Below(7000))));
      switch (random.Below(8)) {
        case 0:
          key.fill(random.Below(3) == 0 ? 0 : 7);
          (void)client_.engine->SetPrivateKey(key, now());
          break;
        case 1:
          client_.engine->SetLinkUp(random.Below(2) == 0, now());
          break;
        case 2: {
          PeerPatch patch;
          patch.public_key = gateway_.key();
          patch.persistent_keepalive = static_cast<std::uint16_t>(random.Below(3) * 10);
          (void)client_.engine->ApplyPatch(patch, now());
          break;
        }
        default:
          client_.SendFromTun(BuildPacket({}), now());
      }
      client_.engine->HandleTimeout(now());
      client_.engine->HandleTimeout(now());
      ASSERT_GT(client_.engine->PollTimeout(), now().boot) << "step " << i;
      if (random.Below(3) == 0) {
        Settle();
      }
      client_.datagrams.sent.clear();
    }
  }
}

}  // namespace
}  // namespace adit::engine
