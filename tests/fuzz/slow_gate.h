#pragma once

#include <algorithm>
#include <list>
#include <optional>
#include <tuple>
#include <vector>

#include "dataplane/access/config.h"
#include "dataplane/packet/drop_reason.h"
#include "tests/fuzz/slow_ip_packet.h"

// A second access gate: every packet is asked about anew, over lists that are searched from end to
// end. It remembers all flows and all fragments.
namespace adit::fuzz {

class SlowGate {
 public:
  using Reason = std::optional<packet::DropReason>;

  struct Grant {
    std::uint32_t peer = 0;
    std::string resource;
    Instant deadline;
  };
  std::vector<access::ResourceConfig> resources;
  std::vector<Grant> grants;

  // Fragments that were let through before do not count any more.
  void RulesChanged() { fragments_.clear(); }

  Reason Check(std::uint32_t peer, bool from_peer, const packet::IpPacket& packet, ByteSpan bytes,
               Instant now) {
    using packet::DropReason;
    const auto fragment =
        std::tuple(peer, from_peer, packet.is_v6 ? std::uint8_t{0} : packet.protocol, packet.source,
                   packet.destination, packet.fragment_id);
    if (packet.fragment == packet::FragmentKind::kLater) {
      const bool is_known = std::ranges::any_of(fragments_, [&](const auto& known) {
        return known.first == fragment && known.second > now;
      });
      return is_known ? std::nullopt : Reason(DropReason::kFragmentWithoutFirst);
    }
    const bool is_icmp = packet.protocol == 1 || packet.protocol == 58;
    const bool is_request = is_icmp && packet.icmp_type == (packet.protocol == 1 ? 8 : 128);
    const bool is_reply = is_icmp && packet.icmp_type == (packet.protocol == 1 ? 0 : 129);
    if (IsError(packet)) {
      return QuotesOpenFlow(peer, from_peer, packet, bytes, now) ? std::nullopt
                                                                 : Reason(DropReason::kNoFlow);
    }
    const bool can_be_flow = !is_icmp || is_request || is_reply;
    const Key key = KeyOf(peer, from_peer, packet);
    Flow* flow = can_be_flow ? Find(key, now) : nullptr;
    if (!from_peer) {
      const bool is_syn = packet.protocol == 6 && (packet.tcp_flags & 0x12) == 2;
      if (flow == nullptr || is_request || is_syn) {
        return DropReason::kNoFlow;
      }
      flow->went_back = true;
    } else if (flow == nullptr) {
      Instant deadline;
      if (const Reason refused = Ask(key, now, deadline)) {
        return refused;
      }
      if (!can_be_flow || is_reply) {
        return DropReason::kFilterRefused;
      }
      flow = &flows_.emplace_back();
      flow->key = key;
    }
    flow->last_used = now;
    Track(*flow, packet);
    if (packet.fragment == packet::FragmentKind::kFirst) {
      Instant deadline;
      (void)Ask(key, now, deadline);
      fragments_.emplace_back(fragment, std::min(now + seconds(30), deadline));
    }
    return std::nullopt;
  }

 private:
  struct Key {
    std::uint32_t peer = 0;
    std::uint8_t protocol = 0;
    IpAddress near;
    IpAddress far;
    std::uint16_t near_port = 0;
    std::uint16_t far_port = 0;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Flow {
    Key key;
    Instant last_used;
    bool went_back = false;
    bool is_established = false;
    bool is_closing = false;
  };

  static Key KeyOf(std::uint32_t peer, bool from_peer, const packet::IpPacket& packet) {
    Key key{peer,
            packet.protocol,
            packet.source,
            packet.destination,
            packet.source_port,
            packet.destination_port};
    if (!from_peer) {
      std::swap(key.near, key.far);
      std::swap(key.near_port, key.far_port);
    }
    return key;
  }
  static bool IsError(const packet::IpPacket& packet) {
    constexpr std::array<std::uint8_t, 5> kV4Errors = {3, 4, 5, 11, 12};
    return packet.is_v6 ? packet.protocol == 58 && packet.icmp_type < 128
                        : packet.protocol == 1 && std::ranges::count(kV4Errors, packet.icmp_type);
  }

  // nullopt: permitted until the deadline.
  [[nodiscard]] Reason Ask(const Key& key, Instant now, Instant& deadline) const {
    bool is_destination = false;
    bool is_expired = false;
    std::vector<std::tuple<int, std::string, Instant>> permitted;  // longest, then smallest id
    for (const Grant& grant : grants) {
      for (const access::ResourceConfig& resource : resources) {
        for (const IpPrefix& prefix : resource.prefixes) {
          if (grant.peer != key.peer || grant.resource != resource.id || !Holds(prefix, key.far)) {
            continue;
          }
          is_expired |= grant.deadline <= now;
          if (grant.deadline > now) {
            is_destination = true;
            if (Passes(resource.filter, key)) {
              permitted.emplace_back(-static_cast<int>(prefix.length()), resource.id,
                                     grant.deadline);
            }
          }
        }
      }
    }
    if (!permitted.empty()) {
      deadline = std::get<2>(*std::ranges::min_element(permitted));
      return std::nullopt;
    }
    return is_destination ? packet::DropReason::kFilterRefused
           : is_expired   ? packet::DropReason::kGrantExpired
                          : packet::DropReason::kNoGrant;
  }
  static bool Holds(const IpPrefix& prefix, const IpAddress& address) {
    if (prefix.family() != address.family()) {
      return false;
    }
    for (unsigned i = 0; i < prefix.length(); ++i) {
      if (prefix.address().bit(i) != address.bit(i)) {
        return false;
      }
    }
    return true;
  }
  static bool Passes(const access::TrafficFilter& filter, const Key& key) {
    using Protocol = access::TrafficRule::Protocol;
    bool passes = filter.allow_all;
    for (const access::TrafficRule& rule : filter.rules) {
      const bool is_in_range = rule.first_port <= key.far_port && key.far_port <= rule.last_port;
      passes |= rule.protocol == Protocol::kTcp && key.protocol == 6 && is_in_range;
      passes |= rule.protocol == Protocol::kUdp && key.protocol == 17 && is_in_range;
      passes |= rule.protocol == Protocol::kIcmp && (key.protocol == 1 || key.protocol == 58);
    }
    return passes;
  }

  Flow* Find(const Key& key, Instant now) {
    for (auto flow = flows_.begin(); flow != flows_.end(); ++flow) {
      if (!(flow->key == key)) {
        continue;
      }
      Instant deadline;
      if (now - flow->last_used > LifetimeOf(*flow) || Ask(key, now, deadline)) {
        flows_.erase(flow);
        return nullptr;
      }
      return &*flow;
    }
    return nullptr;
  }
  static Duration LifetimeOf(const Flow& flow) {
    switch (flow.key.protocol) {
      case 6:
        return flow.is_established && !flow.is_closing ? seconds(124 * 60) : seconds(240);
      case 17:
        return flow.went_back ? seconds(300) : seconds(120);
      default:
        return seconds(60);
    }
  }
  static void Track(Flow& flow, const packet::IpPacket& packet) {
    if (packet.protocol != 6) {
      return;
    }
    if ((packet.tcp_flags & 5) != 0) {  // FIN, RST
      flow.is_closing = true;
    } else if ((packet.tcp_flags & 2) != 0) {  // SYN
      flow.is_closing = false;
      flow.is_established = false;
    } else {
      flow.is_established |= flow.went_back;
    }
  }
  bool QuotesOpenFlow(std::uint32_t peer, bool from_peer, const packet::IpPacket& error,
                      ByteSpan bytes, Instant now) {
    const std::size_t at = error.transport_offset + std::size_t{8};
    if ((!error.is_v6 && error.icmp_type == 5) || at >= bytes.size()) {
      return false;
    }
    const auto quoted = SlowIpReader(bytes.subspan(at), true).ReadQuoted(error.is_v6);
    return quoted && quoted->fragment != packet::FragmentKind::kLater &&
           quoted->source == error.destination &&
           Find(KeyOf(peer, !from_peer, *quoted), now) != nullptr;
  }

  std::list<Flow> flows_;
  std::vector<std::pair<
      std::tuple<std::uint32_t, bool, std::uint8_t, IpAddress, IpAddress, std::uint32_t>, Instant>>
      fragments_;
};

}  // namespace adit::fuzz
