// Two engines and an attacker between them, who injects, drops, repeats, alters and reorders, while
// clocks, sinks and configuration change. Whatever happens: nothing is delivered that was not sent,
// nothing twice, nothing without permission; every packet is counted; and once it stops, the two
// talk again.
#include <algorithm>
#include <map>
#include <set>

#include "tests/dataplane/engine/hostile_peer.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/counter_sum.h"
#include "tests/support/engine_host.h"

namespace adit::fuzz {
namespace {

using testing::Bytes;
using testing::EngineHost;
using testing::SentDatagram;

// A client without rules and a gateway with them, which lets it reach TCP and UDP port 443.
class TwoEngines {
 public:
  TwoEngines() {
    Require(client_.engine->ApplyPatch(Dial(), time_.now), "the client's peer");
    AddClient();
    Put("all", {false,
                {{access::TrafficRule::Protocol::kTcp, 443, 443},
                 {access::TrafficRule::Protocol::kUdp, 443, 443}}});
    Grant(Instant::Max());
  }

  void Step(Input& input) {
    const std::uint8_t what = input.Byte();
    switch (what & 15) {
      case 0:
      case 1:
      case 2:
        SendFromTun(input, true);
        break;
      case 3:
      case 4:
        SendFromTun(input, false);
        break;
      case 5:
      case 6:
      case 7:
        Attack(input, (what & 16) != 0);
        break;
      case 8:
        CarryAll();
        break;
      case 9:
        Advance(milliseconds(what >> 4));
        break;
      case 10:
        Advance(milliseconds(std::int64_t{input.Byte()} * 997));
        break;
      case 11:
      case 12:
        Reconfigure(input);
        break;
      case 13:
        for (EngineHost* host : {&client_, &gateway_}) {
          host->datagrams.is_full = (what & 16) != 0;
          host->datagrams.is_reserve_only = (what & 32) != 0;
          host->datagrams.max_train = 1U + (what >> 6);
        }
        break;
      case 14:
        gateway_.load.Add(engine::HandshakeLoad::kUnderLoadCount, time_.now.boot);
        gateway_.load.Remove(engine::HandshakeLoad::kUnderLoadCount, time_.now.boot);
        break;
      default: {
        Bytes any = input.Copy(input.Byte());
        if (!any.empty()) {
          EngineHost& to = (what & 16) != 0 ? client_ : gateway_;
          if ((what & 32) != 0) {
            testing::FixMac1(any, to.key());
          }
          Receive(to, std::move(any), kAttacker, 1 + input.Byte());
        }
      }
    }
    Account();
  }

  // The attacker leaves and everything is configured again: a packet arrives within a minute, and
  // all that ever came in was counted once.
  void Finish() {
    for (EngineHost* host : {&client_, &gateway_}) {
      host->datagrams.is_full = false;
      host->datagrams.is_reserve_only = false;
      host->datagrams.sent.clear();
      host->engine->SetLinkUp(true, time_.now);
    }
    SetPresharedKeys(0, 0);
    Require(client_.engine->ApplyPatch(Dial(), time_.now), "the client's peer");
    AddClient();
    Grant(Instant::Max());
    const std::uint64_t before = arrived_;
    for (int i = 0; i < 30 && arrived_ == before; ++i) {
      Send(client_, Packet(443, 40000, 17, 8), true);
      for (int j = 0; j < 4; ++j) {
        Advance(milliseconds(500));
        CarryAll();
      }
      Account();
    }
    Require(arrived_ != before, "they talk again");
    for (EngineHost* host : {&client_, &gateway_}) {
      while (host->engine->ServeHandshakes(time_.now)) {
      }
      Require(host->engine->counters().flows <= 4096, "so many flows");
      host->engine->RemoveAllPeers();
      testing::ExpectCountersAddUp(host->engine->counters());
    }
  }

 private:
  static inline const Endpoint kAttacker = *Endpoint::Parse("203.0.113.66:6666");
  static constexpr std::size_t kMaxSeen = 64;

  [[nodiscard]] engine::PeerPatch Dial() const {
    engine::PeerPatch patch = client_.PatchFor(gateway_, "10.0.0.0/8");
    patch.replace_endpoint = true;
    return patch;
  }
  void AddClient() {
    Require(
        gateway_.engine->ApplyPatch(gateway_.PatchFor(client_, "100.64.0.2/32", false), time_.now),
        "the gateway's peer");
    is_known_ = true;
  }
  void Put(const std::string& id, access::TrafficFilter filter) {
    engine::Update update;
    update.resources = {{id, {*IpPrefix::Parse("10.0.0.0/8")}, std::move(filter), true}};
    Require(gateway_.engine->Apply(update, time_.now), "a resource");
  }
  void Grant(Instant deadline) {
    engine::Update update;
    update.grants = {{client_.key(), "all", deadline}};
    Require(gateway_.engine->Apply(update, time_.now), "a grant");
    deadline_ = is_known_ ? deadline : Instant();
  }
  void SetPresharedKeys(std::uint8_t of_client, std::uint8_t of_gateway) {
    for (auto [host, other, value] : {std::tuple(&client_, &gateway_, of_client),
                                      std::tuple(&gateway_, &client_, of_gateway)}) {
      engine::PeerPatch patch;
      patch.public_key = other->key();
      patch.update_only = true;
      crypto::SymmetricKey key;
      key.mutable_bytes()[0] = value;
      patch.preshared_key = key;
      Require(host->engine->ApplyPatch(patch, time_.now), "a preshared key");
    }
  }

  void Reconfigure(Input& input) {
    const std::uint8_t what = input.Byte();
    switch (what & 7) {
      case 0: {
        engine::Update update;
        update.removed_grants = {{client_.key(), "all"}};
        Require(gateway_.engine->Apply(update, time_.now), "a revocation");
        deadline_ = Instant();
        break;
      }
      case 1:
        Grant((what & 8) != 0 ? Instant::Max() : time_.now.boot + seconds(input.Byte()));
        break;
      case 2: {
        engine::Update update;
        update.removed_peers = {client_.key()};
        Require(gateway_.engine->Apply(update, time_.now), "a removal");
        is_known_ = false;
        deadline_ = Instant();
        break;
      }
      case 3:
        AddClient();
        break;
      case 4:
        SetPresharedKeys(what >> 6, what >> 4 & 3);
        break;
      case 5:
        ((what & 8) != 0 ? client_ : gateway_).engine->SetLinkUp((what & 16) != 0, time_.now);
        break;
      case 6: {
        engine::PeerPatch patch;
        patch.public_key = gateway_.key();
        patch.update_only = true;
        patch.persistent_keepalive = what >> 3;
        Require(client_.engine->ApplyPatch(patch, time_.now), "a keepalive interval");
        break;
      }
      default:
        ((what & 8) != 0 ? client_ : gateway_).engine->ForgetSources();
    }
  }

  // --- inner packets, each unlike every other
  Bytes Packet(std::uint16_t far_port, std::uint16_t near_port, std::uint8_t protocol,
               std::size_t size) {
    testing::PacketSpec spec;
    spec.protocol = protocol;
    spec.source_port = near_port;
    spec.destination_port = far_port;
    spec.payload.assign(size, 0x5a);
    spec.payload.resize(size + 8);
    StoreLe64(spec.payload.data() + size, ++number_);
    return testing::BuildPacket(spec);
  }
  void SendFromTun(Input& input, bool from_client) {
    const std::uint8_t what = input.Byte();
    const std::uint16_t far_port = (what & 3) == 0 ? 80 : 443;
    const auto near_port = static_cast<std::uint16_t>(40000 + (what >> 2 & 3));
    Bytes packet = Packet(far_port, near_port, (what & 16) != 0 ? 6 : 17, input.Byte());
    if (!from_client) {
      std::swap_ranges(packet.begin() + 12, packet.begin() + 16, packet.begin() + 16);
      std::swap_ranges(packet.begin() + 20, packet.begin() + 22, packet.begin() + 22);
    }
    Send(from_client ? client_ : gateway_, packet, from_client);
  }
  void Send(EngineHost& from, const Bytes& packet, bool from_client) {
    ++(from_client ? to_gateway_ : to_client_)[packet];
    from.SendFromTun(packet, time_.now);
  }

  // --- the network
  void Receive(EngineHost& to, Bytes bytes, const Endpoint& from, std::size_t segment_size) {
    if (bytes.empty()) {
      return;
    }
    const packet::ReceivedTrain train{
        bytes, std::min(segment_size, bytes.size()), from, {to.endpoint().address, 1}, 0};
    to.engine->HandleUdpTrain(train, time_.now);
    to.tun.FlushDeliveries();
    (void)to.engine->ServeHandshakes(time_.now);
    Account();
  }
  void Attack(Input& input, bool to_gateway) {
    EngineHost& from = to_gateway ? client_ : gateway_;
    EngineHost& to = to_gateway ? gateway_ : client_;
    auto& queue = from.datagrams.sent;
    const std::uint8_t how = input.Byte();
    Bytes bytes;
    if ((how & 1) != 0 && !seen_.empty()) {
      bytes = seen_[input.Below(kMaxSeen) % seen_.size()];
    } else if (!queue.empty()) {
      const auto at = queue.begin() + static_cast<std::ptrdiff_t>(input.Byte() % queue.size());
      bytes = at->bytes;
      if (seen_.size() < kMaxSeen) {
        seen_.push_back(bytes);
      } else {
        seen_[input.Below(kMaxSeen)] = bytes;
      }
      if ((how & 2) != 0) {
        queue.erase(at);  // reordered, or lost
      }
    }
    if (bytes.empty() || (how & 4) != 0) {
      return;
    }
    for (std::uint32_t changes = how >> 4 & 3; changes != 0; --changes) {
      std::uint8_t& byte = bytes[input.Byte() % bytes.size()];
      byte = static_cast<std::uint8_t>(byte ^ input.Byte());
    }
    if ((how & 8) != 0) {
      testing::FixMac1(bytes, to.key());
    }
    std::size_t segment_size = bytes.size();
    if ((how & 64) != 0 && !seen_.empty()) {  // a train that does not belong together
      const Bytes& more = seen_[input.Below(kMaxSeen) % seen_.size()];
      bytes.insert(bytes.end(), more.begin(), more.end());
    }
    if ((how & 128) != 0) {
      segment_size = 1 + input.Byte();
    }
    Receive(to, std::move(bytes), (how & 128) != 0 ? kAttacker : from.endpoint(), segment_size);
  }
  // What goes to the right address arrives, until nothing moves.
  void CarryAll() {
    for (int round = 0; round < 20; ++round) {
      for (const bool to_gateway : {true, false}) {
        EngineHost& from = to_gateway ? client_ : gateway_;
        EngineHost& to = to_gateway ? gateway_ : client_;
        std::deque<SentDatagram> sent;
        sent.swap(from.datagrams.sent);
        for (SentDatagram& datagram : sent) {
          if (datagram.path.remote == to.endpoint()) {
            const std::size_t size = datagram.bytes.size();
            Receive(to, std::move(datagram.bytes), from.endpoint(), size);
          }
        }
      }
    }
    Require(client_.datagrams.sent.empty() && gateway_.datagrams.sent.empty(),
            "a conversation comes to rest");
  }
  void Advance(Duration by) {
    time_.Advance(by);
    for (EngineHost* host : {&client_, &gateway_}) {
      if (host->engine->PollTimeout() <= time_.now.boot) {
        host->engine->HandleTimeout(time_.now);
      }
      host->engine->FlushPending(time_.now);
      while (host->engine->ServeHandshakes(time_.now)) {
      }
      Require(host->engine->PollTimeout() > time_.now.boot, "what was due is done");
      Require(host->datagrams.sent.size() < 4096, "so many datagrams");
    }
  }

  // --- what came out
  void Account() {
    for (; !gateway_.tun.delivered.empty(); gateway_.tun.delivered.pop_front()) {
      const Bytes& packet = gateway_.tun.delivered.front();
      if (TakeFrom(to_gateway_, packet)) {
        ++arrived_;
        Require(is_known_ && time_.now.boot < deadline_, "delivered while it was granted");
        Require(LoadBe16(&packet[22]) == 443, "delivered as the filter says");
        opened_.insert({packet[9], LoadBe16(&packet[20])});
      } else {
        RequireIcmpError(packet);
      }
    }
    for (; !client_.tun.delivered.empty(); client_.tun.delivered.pop_front()) {
      const Bytes& packet = client_.tun.delivered.front();
      if (TakeFrom(to_client_, packet)) {
        Require(opened_.contains({packet[9], LoadBe16(&packet[22])}),
                "toward a peer, of a flow that it opened");
      } else {
        RequireIcmpError(packet);
      }
    }
  }
  static bool TakeFrom(std::map<Bytes, int>& ledger, const Bytes& packet) {
    const auto at = ledger.find(packet);
    if (at == ledger.end()) {
      return false;
    }
    Require(--at->second >= 0, "nothing is delivered twice");
    return true;
  }
  static void RequireIcmpError(const Bytes& packet) {
    Require(packet.size() >= 28 && packet[0] == 0x45 && packet[9] == 1 && packet[20] == 3 &&
                testing::HasValidChecksums(packet),
            "what was not sent is an ICMP error");
  }

  testing::VirtualTime time_;
  EngineHost client_{1, "192.0.2.1:1111", false};
  EngineHost gateway_{2, "198.51.100.2:51820", true};
  std::map<Bytes, int> to_gateway_;
  std::map<Bytes, int> to_client_;
  std::vector<Bytes> seen_;  // by the attacker
  std::set<std::pair<std::uint8_t, std::uint16_t>> opened_;
  bool is_known_ = false;
  Instant deadline_;  // of the grant; zero: none
  std::uint64_t number_ = 0;
  std::uint64_t arrived_ = 0;
};

void FuzzWgEngine(Input input) {
  TwoEngines engines;
  for (int step = 0; step < 150 && !input.empty(); ++step) {
    engines.Step(input);
  }
  engines.Finish();
}

ADIT_FUZZ_TARGET(wg_engine, FuzzWgEngine)

}  // namespace
}  // namespace adit::fuzz
