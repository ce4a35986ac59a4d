#pragma once

#include <cstdint>
#include <optional>

#include "common/ip_address.h"
#include "common/time.h"
#include "dataplane/engine/garbled_trains.h"
#include "dataplane/engine/staged_packets.h"
#include "dataplane/packet/datagram_sink.h"
#include "dataplane/wireguard/peer.h"

namespace adit::engine {

// A token bucket of ICMP errors: 10 a second, bursts of 20, so that refused floods are not
// answered one for one.
struct IcmpBudget {
  static constexpr std::uint32_t kBurst = 20;
  static constexpr Duration kInterval = milliseconds(100);

  [[nodiscard]] bool Take(Instant now) {
    const auto earned = static_cast<std::uint64_t>((now - last_) / kInterval);
    if (earned != 0) {
      tokens_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(kBurst, tokens_ + earned));
      last_ = now;
    }
    if (tokens_ == 0) {
      return false;
    }
    --tokens_;
    return true;
  }

 private:
  std::uint32_t tokens_ = kBurst;
  Instant last_;
};

// One peer as the engine sees it: the protocol, the path, what waits, what was counted.
struct PeerState {
  PeerState(wireguard::PeerContext& context, const PublicKey& remote, std::uint32_t slot)
      : protocol(context, remote, slot) {}

  wireguard::Peer protocol;
  packet::DatagramPath path;                    // remote not set: no endpoint known
  std::optional<Endpoint> configured_endpoint;  // the last one configuration gave
  StagedPackets staged;
  bool is_flush_pending = false;  // staged packets found no room in the queue
  IcmpBudget icmp_budget;
  TrainWatch trains;
  std::uint64_t received_bytes = 0;
  std::uint64_t sent_bytes = 0;
  std::uint64_t refused_packets = 0;
  Instant last_data;
};

}  // namespace adit::engine
