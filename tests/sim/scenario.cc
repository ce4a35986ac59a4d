#include "tests/sim/scenario.h"

#include "dataplane/wireguard/constants.h"

namespace adit::sim {
namespace {

// What a healthy network adds: a packet that is to be sent, half a second apart, and three round
// trips of 100 ms (handshake, the packet, its answer).
constexpr Duration kTraffic = milliseconds(500) + 3 * milliseconds(100);

NatOptions DrawNat(testing::SeededRandom& random) {
  NatOptions nat;
  nat.mapping = static_cast<NatOptions::Mapping>(random.Below(2));
  nat.filtering = static_cast<NatOptions::Filtering>(random.Below(3));
  nat.lifetime = seconds(static_cast<int>(20 + random.Below(180)));
  nat.inbound_refreshes = random.Below(2) == 0;
  return nat;
}

NetworkFaults DrawNetwork(testing::SeededRandom& random) {
  NetworkFaults faults;
  const auto up_to = [&](double most) {
    return random.Below(3) == 0 ? 0.0 : most * static_cast<double>(random.Below(1000)) / 1000;
  };
  faults.loss = up_to(0.4);
  faults.duplicate = up_to(0.3);
  faults.corrupt = up_to(0.05);
  faults.truncate = up_to(0.05);
  faults.min_delay = milliseconds(static_cast<int>(1 + random.Below(80)));
  faults.jitter = milliseconds(static_cast<int>(random.Below(2) == 0 ? 5 : 1 + random.Below(800)));
  return faults;
}

}  // namespace

Scenario Scenario::Draw(Kind kind, std::uint64_t seed) {
  testing::SeededRandom random(seed * kKindCount + static_cast<std::uint64_t>(kind));
  Scenario s;
  s.kind = kind;
  s.seed = seed;
  s.is_hub = random.Below(3) != 0;
  s.servers = 1 + random.Below(2);
  s.clients = 2 + random.Below(3);
  s.clients_share_nat = random.Below(3) == 0;
  for (std::size_t i = 0; i < s.clients; ++i) {
    const bool is_behind_nat = kind == Kind::kRoaming || random.Below(2) == 0;
    s.nats.push_back(is_behind_nat ? std::optional(DrawNat(random)) : std::nullopt);
  }
  s.persistent_keepalive = random.Below(3) == 0 ? 25 : 0;
  s.network = DrawNetwork(random);
  s.opens_initiations = random.Below(4) == 0;
  // A few packets a second in all.
  const auto pairs = static_cast<int>(s.servers * s.clients);
  s.send_interval = pairs * milliseconds(static_cast<int>(500 + random.Below(5000)));
  s.fault_time = seconds(static_cast<int>(40 + random.Below(120)));

  const bool is_everything = kind == Kind::kEverything;
  if (kind == Kind::kHosts || is_everything) {
    s.has_stale_disks = random.Below(2) == 0;
    s.rates.restart = seconds(60);
    s.rates.wall_step = seconds(60);
    s.rates.suspend = seconds(120);
    s.rates.choke = seconds(40);
    s.rates.partition = seconds(50);
  }
  if (kind == Kind::kRoaming || is_everything) {
    s.rates.roam = seconds(30);
    s.rates.partition = seconds(80);
  }
  if (kind == Kind::kReconfiguration || is_everything) {
    s.rates.reconfigure = seconds(8);
    s.rates.choke = seconds(30);
    s.sends_trains = random.Below(2) == 0;
  }
  // A replayed initiation that a restarted host has forgotten is taken for a fresh one: the peer's
  // path leads to where it came from until the peer speaks. That is WireGuard's; a host whose disk
  // is right is not deceived.
  if (!s.has_stale_disks) {
    s.rates.attack = seconds(2);
  }
  if (kind == Kind::kOrder) {
    s.network = {
        .min_delay = s.network.min_delay, .jitter = milliseconds(300), .keeps_order = true};
    s.network.loss = random.Below(2) == 0 ? 0 : 0.05;
    s.rates = {.choke = seconds(5), .reconfigure = seconds(20)};
    s.sends_trains = true;
    s.send_interval = pairs * milliseconds(50);
    s.fault_time = seconds(20);
  }
  if (kind == Kind::kOutage) {
    s.rates.partition = seconds(100);
    s.rates.restart = seconds(200);
    s.longest_partition = seconds(300);
    s.fault_time = seconds(400);
    s.send_interval = pairs * seconds(4);
  }
  if (kind == Kind::kDay) {
    s.servers = 1;
    s.clients = 2;
    s.nats.resize(2);
    s.network.jitter = milliseconds(5);
    s.network.loss = std::min(s.network.loss, 0.02);
    s.rates = {.restart = seconds(7200),
               .wall_step = seconds(3600),
               .suspend = seconds(3600),
               .partition = seconds(1800),
               .roam = seconds(1800)};
    s.fault_time = std::chrono::hours(8);
    s.send_interval = seconds(240);
    s.has_stale_disks = false;
  }
  return s;
}

Duration Scenario::RecoveryBound() const {
  const Duration one = wireguard::kRekeyTimeout + wireguard::kMaxJitter;
  const bool may_have_to_notice =
      kind == Kind::kHosts || kind == Kind::kEverything || kind == Kind::kOutage;
  return may_have_to_notice
             ? wireguard::kNewHandshakeTimeout + wireguard::kMaxJitter + one + kTraffic
             : TwoRekeyTimeouts();
}

Duration Scenario::TwoRekeyTimeouts() {
  return 2 * (wireguard::kRekeyTimeout + wireguard::kMaxJitter) + kTraffic;
}

}  // namespace adit::sim
