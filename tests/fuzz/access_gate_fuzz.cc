// The verdicts of the access gate on any packets, from and toward two peers, while grants come, go
// and expire: against a second, slow gate.
#include <memory>

#include "dataplane/access/gate.h"
#include "tests/fuzz/next_packet.h"
#include "tests/fuzz/slow_gate.h"
#include "tests/fuzz/slow_ip_packet.h"

namespace adit::fuzz {
namespace {

using packet::IpPacket;
using testing::Bytes;

class TwoGates {
 public:
  TwoGates() {
    const auto prefix = [](std::string_view text) { return *IpPrefix::Parse(text); };
    using Protocol = access::TrafficRule::Protocol;
    Put({"web",
         {prefix("10.0.0.0/24"), prefix("fd00::/32")},
         {false, {{Protocol::kTcp, 80, 443}, {Protocol::kUdp, 53, 53}}},
         true});
    Put({"ping",
         {prefix("10.0.0.0/16"), prefix("fd00::/16")},
         {false, {{Protocol::kIcmp, 0, 0}}},
         true});
    Put({"host", {prefix("10.0.0.5/32"), prefix("10.0.1.0/24")}, {true, {}}, true});
    Put({"nothing", {prefix("10.0.2.0/24")}, {}, true});
    for (const std::uint32_t peer : {1U, 2U}) {
      Grant(peer, "web", Instant::Max());
      Grant(peer, "ping", Instant::Max());
    }
    Grant(1, "nothing", Instant::Max());
    Change();
  }

  void Step(Input& input) {
    const std::uint8_t what = input.Byte();
    const std::uint32_t peer = 1 + (what >> 7);
    switch (what & 15) {
      case 0:
        now_ = now_ + milliseconds(std::int64_t{input.U16()} * 100);
        break;
      case 1: {
        const std::string id = IdOf(input.Below(4));
        Revoke(peer, id);
        if ((what & 64) != 0) {
          Grant(peer, id, now_ + seconds(input.Byte()));
        }
        Change();
        break;
      }
      case 2:
        gate_.Sweep(input.Byte(), now_);
        break;
      case 3:
        if (!last_.empty()) {
          Check(peer, (what & 16) != 0, ErrorAbout(input));
        }
        break;
      case 4:
      case 5:
      case 6:
        Check(peer, (what & 16) != 0, input.Copy(input.Byte()));
        break;
      case 7:
      case 8:  // a fragment of the last one, or of a new one
        Check(peer, (what & 16) != 0, Fragment(input, (what & 16) != 0));
        break;
      default:
        Check(peer, (what & 16) != 0, testing::BuildPacket(NextSpec(input, (what & 16) != 0)));
    }
  }

 private:
  static std::string IdOf(std::uint32_t i) {
    constexpr std::array<const char*, 4> kIds = {"web", "ping", "host", "nothing"};
    return kIds[i];
  }
  void Put(const access::ResourceConfig& resource) {
    gate_.rules().PutResource(resource);
    slow_.resources.push_back(resource);
  }
  void Grant(std::uint32_t peer, const std::string& id, Instant deadline) {
    gate_.rules().PutGrant(peer, {{}, id, deadline});
    slow_.grants.push_back({peer, id, deadline});
  }
  void Revoke(std::uint32_t peer, const std::string& id) {
    gate_.rules().RemoveGrant(peer, id);
    std::erase_if(slow_.grants,
                  [&](const auto& grant) { return grant.peer == peer && grant.resource == id; });
  }
  void Change() {
    gate_.RulesChanged();
    slow_.RulesChanged();
  }

  Bytes ErrorAbout(Input& input) const {
    const bool is_v6 = last_[0] >> 4 == 6;
    if (last_.size() < (is_v6 ? 40U : 20U)) {
      return last_;
    }
    const auto source = packet::DestinationOf(last_);
    const auto destination =
        is_v6 ? IpAddress::V6(last_.data() + 8) : IpAddress::V4(last_.data() + 12);
    Bytes quoted = last_;
    quoted.resize(std::min<std::size_t>(quoted.size(), input.Byte()));
    const std::uint8_t type = input.Byte();
    return source ? testing::BuildIcmpError(source->ToString(), destination.ToString(), type, 0,
                                            quoted)
                  : last_;
  }
  static Bytes Fragment(Input& input, bool from_near) {
    testing::PacketSpec spec = NextSpec(input, from_near);
    spec.ip_id = input.Byte();
    Bytes packet = testing::BuildPacket(spec);
    const std::uint8_t offset = input.Byte();
    if (packet[0] >> 4 == 4) {
      StoreBe16(&packet[6], static_cast<std::uint16_t>((offset & 1) * 0x2000 + (offset >> 4)));
      return packet;
    }
    const std::array<std::uint8_t, 8> header = {
        packet[6], 0, 0, static_cast<std::uint8_t>((offset & 0xf8) + (offset & 1)),
        0,         0, 0, static_cast<std::uint8_t>(spec.ip_id)};
    packet.insert(packet.begin() + 40, header.begin(), header.end());
    packet[6] = 44;
    StoreBe16(&packet[4], static_cast<std::uint16_t>(packet.size() - 40));
    return packet;
  }

  void Check(std::uint32_t peer, bool from_peer, const Bytes& bytes) {
    const auto parsed = packet::ParseIpPacket(bytes);
    if (!std::holds_alternative<IpPacket>(parsed)) {
      return;
    }
    const auto& view = std::get<IpPacket>(parsed);
    const auto verdict = from_peer ? gate_.CheckFromPeer(peer, view, bytes, now_)
                                   : gate_.CheckTowardPeer(peer, view, bytes, now_);
    const auto slow_verdict = slow_.Check(peer, from_peer, view, bytes, now_);
    // The fragment table may forget, which denies.
    const bool has_forgotten = view.fragment == packet::FragmentKind::kLater &&
                               verdict == packet::DropReason::kFragmentWithoutFirst;
    Require(verdict == slow_verdict || has_forgotten, "the verdict");
    last_ = bytes;
  }

  access::Gate gate_{1, 1024};
  SlowGate slow_;
  Instant now_{seconds(1000)};
  Bytes last_;
};

void FuzzAccessGate(Input input) {
  TwoGates gates;
  for (int step = 0; step < 200 && !input.empty(); ++step) {
    gates.Step(input);
  }
}

ADIT_FUZZ_TARGET(access_gate, FuzzAccessGate)

}  // namespace
}  // namespace adit::fuzz
