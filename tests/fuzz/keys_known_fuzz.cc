// A peer with valid keys that seals what the fuzzer likes: everything behind the AEAD. What is
// delivered is a whole packet from the peer's own address that its grants permit, as it was sealed.
#include <algorithm>

#include "dataplane/engine/inner_packet.h"
#include "dataplane/wireguard/constants.h"
#include "tests/dataplane/engine/hostile_peer.h"
#include "tests/fuzz/next_packet.h"
#include "tests/fuzz/slow_ip_packet.h"
#include "tests/support/counter_sum.h"

namespace adit::fuzz {
namespace {

using testing::Bytes;

constexpr std::string_view kOwnAddress = "100.64.0.2";

class SealingPeer {
 public:
  explicit SealingPeer(bool enforce)
      : target_(2, "198.51.100.2:51820", enforce), enforce_(enforce) {
    std::vector<engine::PeerReport> reports;
    (void)target_.engine->AppendReports(0, 10, reports);
    engine::Update update;
    update.resources = {{"web",
                         {*IpPrefix::Parse("10.0.0.0/24")},
                         {false,
                          {{access::TrafficRule::Protocol::kTcp, 80, 443},
                           {access::TrafficRule::Protocol::kIcmp, 0, 0}}},
                         true},
                        {"all", {*IpPrefix::Parse("10.0.1.0/24")}, {true, {}}, true}};
    update.grants = {{reports.front().public_key, "web", Instant::Max()},
                     {reports.front().public_key, "all", time_.now.boot + seconds(100)}};
    Require(target_.engine->Apply(update, time_.now), "the grants");
    target_.engine->SetOwnAddresses({*IpAddress::Parse("100.64.0.1")});
    peer_.Connect(time_.now);
    target_.datagrams.sent.clear();
  }

  void Step(Input& input) {
    const std::uint8_t what = input.Byte();
    Bytes plain = NextPlaintext(input, what & 7);
    if ((what & 8) != 0) {
      for (std::uint32_t changes = 1 + (what >> 6); changes != 0 && !plain.empty(); --changes) {
        std::uint8_t& byte = plain[input.Byte() % plain.size()];
        byte = static_cast<std::uint8_t>(byte ^ input.Byte());
      }
    }
    if ((what & 16) != 0) {  // padding
      plain.resize((plain.size() + 15) / 16 * 16);
    }
    const std::uint8_t how = (what & 32) != 0 ? input.Byte() : 0;
    Bytes datagram;
    if ((how & 4) != 0) {
      const std::uint64_t counter =
          (how & 8) != 0 ? wireguard::kRejectAfterMessages - 4 + input.Below(8) : input.U16();
      datagram = peer_.SealUnder(plain, counter, time_.now);
    } else {
      datagram = peer_.Seal(plain, time_.now);
    }
    if ((how & 16) != 0) {
      Advance(seconds(input.Byte() % 20));
    }
    const std::uint64_t before = target_.engine->counters().delivered_packets;
    target_.Receive(datagram, peer_.endpoint, time_.now, how & 3);
    Require(target_.tun.delivered.size() <= 1, "one packet at a time");
    if (!target_.tun.delivered.empty()) {
      CheckDelivered(target_.tun.delivered.front(), plain, how & 3);
      Require(target_.engine->counters().delivered_packets == before + 1, "it is counted");
    }
    target_.tun.delivered.clear();
    target_.Receive(datagram, peer_.endpoint, time_.now, how & 3);
    Require(target_.tun.delivered.empty(), "nothing twice");
    target_.datagrams.sent.clear();  // ICMP errors, keepalives, rekeys
  }

  void Finish() {
    while (target_.engine->ServeHandshakes(time_.now)) {
    }
    target_.engine->RemoveAllPeers();
    testing::ExpectCountersAddUp(target_.engine->counters());
  }
  // While the session lives.
  [[nodiscard]] bool CanGoOn() const {
    return time_.now.boot - began_ < wireguard::kRejectAfterTime;
  }

 private:
  static Bytes NextPlaintext(Input& input, unsigned kind) {
    switch (kind) {
      case 0:
        return {};
      case 1:
      case 2:
        return input.Copy(input.Byte());
      case 3: {
        const Bytes quoted = testing::BuildPacket(NextSpec(input, false));
        return testing::BuildIcmpError(kOwnAddress, "10.0.0.5", input.Byte(), input.Byte(), quoted);
      }
      case 4: {
        Bytes packet = testing::BuildPacket(NextSpec(input, true));
        if (packet[0] >> 4 == 4) {
          StoreBe16(&packet[6], input.U16());
        }
        return packet;
      }
      default:
        return testing::BuildPacket(NextSpec(input, true));
    }
  }

  void CheckDelivered(const Bytes& delivered, const Bytes& plain, std::uint8_t ecn) const {
    Require(delivered.size() <= plain.size(), "no longer than it was sealed");
    Bytes expected(plain.begin(), plain.begin() + static_cast<std::ptrdiff_t>(delivered.size()));
    Require(engine::DecapsulateEcn(expected, ecn), "its mark allows it");
    Require(delivered == expected, "as it was sealed, but for its mark");
    const auto read = SlowIpReader(delivered, false).Read();
    if (!enforce_) {
      Require(LoadBe32(&delivered[12]) == LoadBe32(kOwn.bytes().data()) || delivered[0] >> 4 == 6,
              "from its own address");
      return;
    }
    Require(std::holds_alternative<packet::IpPacket>(read), "a packet that can be judged");
    const auto& view = std::get<packet::IpPacket>(read);
    Require(view.total_length == delivered.size(), "whole and without padding");
    Require(view.source == kOwn, "from its own address");
    const bool is_to_all =
        IpPrefix::Parse("10.0.1.0/24")->Contains(view.destination) &&
        (time_.now.boot < began_ + seconds(100) || view.fragment == packet::FragmentKind::kLater);
    const bool is_web_port =
        view.protocol == 6 && view.destination_port >= 80 && view.destination_port <= 443;
    const bool is_to_web =
        IpPrefix::Parse("10.0.0.0/24")->Contains(view.destination) &&
        (is_web_port || view.protocol == 1 || view.fragment == packet::FragmentKind::kLater);
    Require(is_to_all || is_to_web || view.is_icmp_error(), "where its grants permit");
  }
  void Advance(Duration by) {
    time_.Advance(by);
    target_.engine->HandleTimeout(time_.now);
    target_.engine->FlushPending(time_.now);
  }

  static inline const IpAddress kOwn = *IpAddress::Parse(kOwnAddress);

  testing::VirtualTime time_;
  const Instant began_ = time_.now.boot;
  testing::EngineHost target_;
  const bool enforce_;
  testing::HostilePeer peer_{100, target_, std::string(kOwnAddress) + "/32", time_.now};
};

void FuzzKeysKnown(Input input) {
  SealingPeer peer(input.Below(4) != 0);
  for (int step = 0; step < 100 && !input.empty() && peer.CanGoOn(); ++step) {
    peer.Step(input);
  }
  peer.Finish();
}

ADIT_FUZZ_TARGET(keys_known, FuzzKeysKnown)

}  // namespace
}  // namespace adit::fuzz
