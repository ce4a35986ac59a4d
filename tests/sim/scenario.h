#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "common/time.h"
#include "tests/sim/nat.h"
#include "tests/sim/network.h"

namespace adit::sim {

// What a schedule is about; the seed draws the rest.
enum class Kind : std::uint8_t {
  kHosts,            // crashes, stale disks, clock steps, suspends, choked uplinks, partitions
  kRoaming,          // NATs of every kind, rebinding, expiry, changed addresses
  kReconfiguration,  // peers, grants, keys and prefixes come and go
  kEverything,
  kOrder,   // a network that keeps order, and trains of all sizes through choked uplinks
  kOutage,  // partitions longer than REKEY_ATTEMPT_TIME, up to the end
  kDay,     // hours of little traffic
};
inline constexpr int kKindCount = 7;
inline constexpr std::array<std::string_view, kKindCount> kKindNames = {
    "hosts", "roaming", "reconfiguration", "everything", "order", "outage", "day"};

// How often something befalls a host: the mean time between two. Zero: never.
struct FaultRates {
  Duration restart{0};
  Duration wall_step{0};
  Duration suspend{0};
  Duration choke{0};
  Duration partition{0};  // of the world, not of a host
  Duration roam{0};       // a client's address or its NAT's mappings
  Duration reconfigure{0};
  Duration attack{0};  // datagrams seen before, altered or not, from where no host is
};

struct Scenario {
  Kind kind = Kind::kHosts;
  std::uint64_t seed = 0;

  // Servers have an address of their own which everybody knows; clients are found by what they
  // send. In a hub each server is a gateway that enforces access and knows its clients only; else
  // everybody is everybody's peer, but for clients among themselves.
  std::size_t servers = 1;
  std::size_t clients = 2;
  bool is_hub = true;
  std::vector<std::optional<NatOptions>> nats;  // by client
  bool clients_share_nat = false;
  std::uint16_t persistent_keepalive = 0;  // of clients

  NetworkFaults network;
  FaultRates rates;
  bool has_stale_disks = false;  // a restart may find peers' records a minute old
  Duration longest_partition = seconds(40);
  Duration fault_time = seconds(120);
  Duration send_interval = seconds(1);  // mean, of each flow
  bool sends_trains = false;
  bool opens_initiations = false;

  [[nodiscard]] static Scenario Draw(Kind kind, std::uint64_t seed);

  // How long after the last fault until every permitted pair is connected, at most; world.cc
  // derives it.
  // In the worst case of its kind, and what is hardly ever exceeded: see World.
  [[nodiscard]] Duration RecoveryBound() const;
  [[nodiscard]] static Duration TwoRekeyTimeouts();
};

}  // namespace adit::sim
