#include "tests/sim/world.h"

#include <cerrno>

#include <fmt/format.h>

#include "dataplane/wireguard/messages.h"

namespace adit::sim {
namespace {

constexpr Duration kSavedWithin = milliseconds(1001);
constexpr std::chrono::hours kTenYears{10 * 365 * 24};
const NetworkFaults kHealthy = {.min_delay = milliseconds(10), .jitter = milliseconds(40)};

}  // namespace

World::World(const Scenario& scenario, crypto::Aead& aead, std::FILE* log)
    : scenario_(scenario),
      random_(scenario.seed * kKindCount + static_cast<std::uint64_t>(scenario.kind) + 1'000'003),
      scheduler_(random_.Next64()),
      trace_(log),
      network_(scheduler_, trace_, random_.Next64()) {
  Build(aead);
}

void World::Build(crypto::Aead& aead) {
  const std::size_t count = scenario_.servers + scenario_.clients;
  hosts_.resize(count);
  model_ = std::make_unique<ReferenceModel>(hosts_);
  ledger_ =
      std::make_unique<Ledger>(hosts_, *model_, scheduler_, trace_,
                               Ledger::Options{.network_keeps_order = scenario_.network.keeps_order,
                                               .opens_initiations = scenario_.opens_initiations});
  for (std::size_t i = 0; i < count; ++i) {
    Nat* nat = nullptr;
    const bool is_client = i >= scenario_.servers;
    if (is_client && scenario_.nats[i - scenario_.servers]) {
      const bool shares = scenario_.clients_share_nat && !nats_.empty();
      if (!shares) {
        nats_.push_back(std::make_unique<Nat>(
            *scenario_.nats[i - scenario_.servers],
            *IpAddress::Parse(fmt::format("198.51.100.{}", i + 1)), random_.Next64()));
      }
      nat = nats_.back().get();
    }
    nat_of_.push_back(nat);
    endpoints_.push_back(*Endpoint::Parse(
        fmt::format("{}.{}:51820", nat == nullptr ? "192.0.2" : "192.168.1", i + 1)));
    hosts_[i] = std::make_unique<Host>(Host::Services{scheduler_, network_, trace_, *ledger_, aead},
                                       i, random_.Next64());
    network_.Attach(endpoints_[i], nat,
                    [this, i](Datagram& datagram) { hosts_[i]->Receive(datagram); });
  }
  traffic_ = std::make_unique<Traffic>(scenario_, hosts_, *ledger_, scheduler_, random_.Next64());
  administrator_ = std::make_unique<Administrator>(scenario_, hosts_, endpoints_, *model_,
                                                   scheduler_, trace_, random_.Next64());
  // What the peer sent before would be accepted again when it is added again, as by any WireGuard.
  administrator_->on_peer_removed = [this](std::size_t host, std::size_t peer) {
    std::erase_if(seen_, [&](const Seen& seen) {
      return seen.receiver == host && seen.datagram.sender == peer;
    });
  };
  ledger_->on_accepted = [this](std::size_t receiver, const Datagram& datagram) {
    if (scenario_.rates.attack != Duration(0)) {
      seen_.push_back({datagram, receiver, scheduler_.now()});
      if (seen_.size() > kMostSeen) {
        seen_.pop_front();
      }
    }
  };
}

void World::Every(Duration mean, Instant end, std::function<void()> strike) {
  if (mean == Duration(0)) {
    return;
  }
  const Instant when = scheduler_.now() + Exponential(random_, mean);
  if (when < end) {
    scheduler_.At(when, [this, mean, end, strike = std::move(strike)] {
      strike();
      Every(mean, end, strike);
    });
  }
}

Outcome World::Run() {
  const Instant began = scheduler_.now();
  const Instant forgetting_ends = began + scenario_.fault_time;
  const Instant faults_end = forgetting_ends + kNoticeTime;
  const Instant healed = faults_end + scenario_.RecoveryBound();

  administrator_->ConfigureAll();
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    hosts_[i]->Start(false);
  }
  network_.set_faults(scenario_.network);
  traffic_->Start(forgetting_ends);
  StartFaults(forgetting_ends);
  scheduler_.RunUntil(forgetting_ends);

  traffic_->StartProbes(healed);
  Every(scenario_.rates.partition, faults_end, [=, this] {
    Partition(scenario_.kind == Kind::kOutage ? seconds(10) : seconds(8), faults_end);
  });
  Every(scenario_.rates.attack, faults_end, [this] { Attack(); });
  scheduler_.RunUntil(faults_end);

  Heal();
  traffic_->WatchProbes(faults_end);
  scheduler_.RunUntil(healed);
  Outcome outcome;
  CheckRecovery(faults_end, outcome);
  for (const auto& host : hosts_) {
    host->Kill();
  }
  outcome.violations = ledger_->violations();
  outcome.trace = trace_.digest();
  outcome.virtual_time = scheduler_.now() - began;
  outcome.events = scheduler_.events();
  outcome.totals = ledger_->totals();
  return outcome;
}

void World::StartFaults(Instant end) {
  const FaultRates& rates = scenario_.rates;
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    Every(rates.restart, end - seconds(4), [this, i] { Restart(i); });
    Every(rates.wall_step, end, [this, i] { StepWallClock(i); });
    Every(rates.suspend, end, [this, i, end] { Suspend(i, end); });
    Every(rates.choke, end, [this, i, end] { Choke(i, end); });
  }
  Every(rates.partition, end, [this, end] { Partition(scenario_.longest_partition, end); });
  Every(rates.roam, end, [this] { Roam(); });
  Every(rates.reconfigure, end - Administrator::kLongestChange,
        [this] { administrator_->Change(); });
  Every(rates.attack, end, [this] { Attack(); });
}

void World::Restart(std::size_t host) {
  // The mark is written each second. Within the second after a step forward it does not cover the
  // clock: a kill just then, and a step back, would cost the host its peers' trust for that long.
  const bool may_be_killed =
      hosts_[host]->is_running() && hosts_[host]->now().wall <= hosts_[host]->disk().mark();
  if (!may_be_killed) {
    return;
  }
  trace_.Log(scheduler_.now(), "host {} is killed", host);
  hosts_[host]->Kill();
  Forget(host);
  scheduler_.After(Between(random_, milliseconds(50), seconds(3)), [this, host] {
    const bool is_stale = scenario_.has_stale_disks && random_.Below(2) == 0;
    trace_.Log(scheduler_.now(), "host {} starts{}", host, is_stale ? " from an old disk" : "");
    hosts_[host]->Start(is_stale);
  });
}

void World::StepWallClock(std::size_t host) {
  Duration by = Between(random_, -std::chrono::hours(1), std::chrono::hours(1));
  if (random_.Below(8) == 0) {
    by = kTenYears;
    scheduler_.After(Between(random_, seconds(1), seconds(60)),
                     [this, host] { hosts_[host]->StepWallClock(-kTenYears); });
  }
  trace_.Log(scheduler_.now(), "host {}'s wall clock steps by {} s", host,
             std::chrono::duration_cast<seconds>(by).count());
  hosts_[host]->StepWallClock(by);
}

void World::Suspend(std::size_t host, Instant end) {
  const bool is_long = random_.Below(4) == 0;
  const Duration duration =
      std::min(Between(random_, milliseconds(100), is_long ? seconds(600) : seconds(20)),
               end - scheduler_.now());
  trace_.Log(scheduler_.now(), "host {} sleeps for {} ms", host,
             std::chrono::duration_cast<milliseconds>(duration).count());
  hosts_[host]->Suspend(duration);
}

void World::Choke(std::size_t host, Instant end) {
  constexpr std::array kErrors = {EAGAIN, EAGAIN, ENOBUFS, EPERM, ENETUNREACH, EINVAL};
  const int error =
      scenario_.kind == Kind::kOrder ? EAGAIN : kErrors[random_.Below(kErrors.size())];
  const Duration duration =
      std::min(Between(random_, milliseconds(1), seconds(4)), end - scheduler_.now());
  trace_.Log(scheduler_.now(), "host {}'s uplink answers {} for {} ms", host, error,
             std::chrono::duration_cast<milliseconds>(duration).count());
  hosts_[host]->Choke(duration, error);
}

void World::Partition(Duration longest, Instant end) {
  const std::uint32_t number = ++partitions_;
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    network_.SetGroup(i, static_cast<std::uint32_t>(random_.Below(2)));
  }
  const Duration duration =
      std::min(Between(random_, milliseconds(100), longest), end - scheduler_.now());
  trace_.Log(scheduler_.now(), "the network falls apart for {} ms",
             std::chrono::duration_cast<milliseconds>(duration).count());
  scheduler_.After(duration, [this, number] {
    for (std::size_t i = 0; number == partitions_ && i < hosts_.size(); ++i) {
      network_.SetGroup(i, 0);
    }
  });
}

void World::Roam() {
  const std::size_t host = scenario_.servers + random_.Below(scenario_.clients);
  trace_.Log(scheduler_.now(), "host {} is seen elsewhere", host);
  if (nat_of_[host] != nullptr && random_.Below(2) == 0) {
    nat_of_[host]->Rebind();
    return;
  }
  Endpoint moved = network_.EndpointOf(host);
  moved.port = next_port_++;
  network_.Move(host, moved);
}

// An initiation that a host accepted and that is not on its disk would be accepted again by its
// next process, as by any WireGuard; so the attacker does not keep those of the last seconds.
void World::Forget(std::size_t host) {
  std::erase_if(seen_, [&](const Seen& seen) {
    return seen.receiver == host && scheduler_.now() - seen.when < kSavedWithin;
  });
}

// Verbatim or altered, from an address where no host is or from where it came.
void World::Attack() {
  if (seen_.empty()) {
    return;
  }
  Datagram datagram = seen_[random_.Below(seen_.size())].datagram;
  if (random_.Below(2) == 0) {
    Alter(datagram, random_);
  }
  if (random_.Below(4) != 0) {
    datagram.from = {Ledger::AttackerAddress(), 6666, 0};
  }
  trace_.Log(scheduler_.now(), "the attacker sends a datagram of host {}, type {}, from {}",
             datagram.sender, datagram.bytes.empty() ? 0 : datagram.bytes[0],
             datagram.from.ToString());
  network_.Inject(std::move(datagram));
}

void World::Heal() {
  trace_.Log(scheduler_.now(), "the network is healthy");
  ++partitions_;
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    network_.SetGroup(i, 0);
  }
  NetworkFaults healthy = kHealthy;
  healthy.keeps_order = scenario_.network.keeps_order;
  network_.set_faults(healthy);
}

void World::CheckRecovery(Instant since, Outcome& outcome) {
  for (const Traffic::Probe& probe : traffic_->probes()) {
    if (!probe.arrived) {
      ledger_->Violate(fmt::format(
          "host {} did not hear host {} within {} ms after the last fault", probe.to, probe.from,
          std::chrono::duration_cast<milliseconds>(scenario_.RecoveryBound()).count()));
      continue;
    }
    outcome.slowest_recovery = std::max(outcome.slowest_recovery, *probe.arrived - since);
  }
}

}  // namespace adit::sim
