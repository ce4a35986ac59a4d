#include "tests/sim/engine_network.h"

#include <fmt/format.h>

#include "tests/support/mutation.h"

namespace adit::testing {
namespace {

constexpr Duration kStep = milliseconds(10);
constexpr std::size_t kNumberAt = 28;  // behind IPv4 and UDP headers: packet number, from, to

}  // namespace

EngineNetwork::EngineNetwork(std::uint64_t seed, std::size_t hosts)
    : random_(seed), seed_(seed), hosts_(hosts) {
  for (std::size_t i = 0; i < hosts; ++i) {
    hosts_[i].engine_host = MakeHost(i);
    hosts_[i].seen_as = hosts_[i].engine_host->endpoint();
    hosts_[i].boot_offset = seconds(static_cast<int>(random_.Below(100'000)));
  }
  for (std::size_t i = 0; i < hosts; ++i) {
    MakePeers(i);
  }
}

std::string EngineNetwork::AddressOf(std::size_t host) const {
  return fmt::format("100.64.0.{}", host + 1);
}

std::unique_ptr<EngineHost> EngineNetwork::MakeHost(std::size_t host) const {
  auto made = std::make_unique<EngineHost>(seed_ * 1000 + host + restarts_ * 100'000,
                                           fmt::format("198.51.100.{}:51820", host + 1), false);
  std::array<std::uint8_t, 32> key{};
  SeededRandom(seed_ * 1000 + host).Fill(key);  // a restart keeps the key
  (void)made->engine->SetPrivateKey(key, {});
  return made;
}

void EngineNetwork::MakePeers(std::size_t host) {
  for (std::size_t other = 0; other < hosts_.size(); ++other) {
    if (other != host) {
      EngineHost& self = *hosts_[host].engine_host;
      (void)self.engine->ApplyPatch(
          self.PatchFor(*hosts_[other].engine_host, AddressOf(other) + "/32"), NowOf(hosts_[host]));
    }
  }
}

Now EngineNetwork::NowOf(const Host& host) const {
  return {now_ + host.boot_offset, wall_ + host.wall_offset};
}

// Killed between two turns; what its state file holds is what a data plane keeps there.
void EngineNetwork::Restart(std::size_t index) {
  Host& host = hosts_[index];
  engine::Engine& before = *host.engine_host->engine;
  std::vector<engine::PeerReport> reports;
  (void)before.AppendReports(0, UINT32_MAX, reports);
  std::vector<engine::PeerMemory> memories;
  for (const engine::PeerReport& report : reports) {
    memories.push_back({report.public_key, report.endpoint, report.greatest_timestamp, true});
  }
  const WallTime mark = before.greatest_timestamp();
  if (on_host_ends) {
    on_host_ends(*host.engine_host);
  }
  ++restarts_;
  host.engine_host = MakeHost(index);
  host.engine_host->engine->RestoreTimestampMark(mark);
  MakePeers(index);
  host.engine_host->engine->Restore(memories);
}

void EngineNetwork::Strike(Duration step) {
  const double per_step = std::chrono::duration<double>(step).count();
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    Host& host = hosts_[i];
    if (random_.Chance(faults_.restart * per_step)) {
      Restart(i);
    }
    if (random_.Chance(faults_.wall_step * per_step)) {
      host.wall_offset += seconds(static_cast<int>(random_.Below(7200)) - 3600);
    }
    if (random_.Chance(faults_.suspend * per_step)) {
      host.boot_offset += seconds(static_cast<int>(random_.Below(600)));
      host.asleep_until = now_ + seconds(1);
    }
    if (random_.Chance(faults_.cut * per_step)) {
      host.cut_until = now_ + milliseconds(static_cast<int>(random_.Below(8000)));
    }
    if (i == 0 && random_.Chance(faults_.change_address * per_step)) {
      host.seen_as.port = static_cast<std::uint16_t>(1024 + random_.Below(60'000));
    }
  }
}

void EngineNetwork::Send(std::size_t from, std::size_t to) {
  const std::string source = AddressOf(from);
  const std::string destination = AddressOf(to);
  Bytes payload(24 + random_.Below(600));
  random_.Fill(payload);
  StoreBe64(payload.data(), next_packet_);
  StoreBe64(payload.data() + 8, from);
  StoreBe64(payload.data() + 16, to);
  const Bytes packet =
      BuildPacket({.source = source, .destination = destination, .payload = payload});
  outstanding_[next_packet_++] = packet;
  hosts_[from].engine_host->SendFromTun(packet, NowOf(hosts_[from]));
}

void EngineNetwork::Run(Duration duration, Duration send_interval) {
  for (const Instant end = now_ + duration; now_ < end;) {
    now_ = now_ + kStep;
    wall_ = wall_ + kStep;
    Strike(kStep);
    const bool sends = send_interval != Duration(0) && now_ >= next_send_;
    if (sends) {
      next_send_ = now_ + send_interval;
    }
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
      if (now_ < hosts_[i].asleep_until) {
        continue;
      }
      for (std::size_t other = 0; sends && other < hosts_.size(); ++other) {
        if (other != i) {
          Send(i, other);
        }
      }
      Turn(i);
    }
    while (!in_flight_.empty() && in_flight_.top().arrives <= now_) {
      const InFlight datagram = in_flight_.top();
      in_flight_.pop();
      Arrive(datagram);
    }
  }
}

void EngineNetwork::Turn(std::size_t index) {
  Host& host = hosts_[index];
  engine::Engine& engine = *host.engine_host->engine;
  const Now now = NowOf(host);
  engine.FlushPending(now);
  if (engine.PollTimeout() <= now.boot) {
    engine.HandleTimeout(now);
  }
  Transmit(index);
}

void EngineNetwork::Transmit(std::size_t index) {
  Host& host = hosts_[index];
  auto& sent = host.engine_host->datagrams.sent;
  for (; !sent.empty(); sent.pop_front()) {
    for (std::size_t to = 0; to < hosts_.size(); ++to) {
      if (hosts_[to].seen_as != sent.front().path.remote) {
        continue;  // a NAT keeps no old mapping
      }
      if (now_ < host.cut_until || now_ < hosts_[to].cut_until || random_.Chance(faults_.loss)) {
        break;
      }
      const int copies = random_.Chance(faults_.duplicate) ? 2 : 1;
      for (int copy = 0; copy < copies; ++copy) {
        InFlight datagram;
        datagram.arrives = now_ + Duration(static_cast<std::int64_t>(random_.Below(
                                      static_cast<std::uint64_t>(faults_.max_delay.count()) + 1)));
        datagram.order = next_order_++;
        datagram.to = to;
        datagram.from = host.seen_as;
        datagram.bytes = sent.front().bytes;
        datagram.ecn = sent.front().path.tos & 3;
        if (random_.Chance(faults_.corrupt)) {
          Mutate(datagram.bytes, random_);
        }
        if (random_.Chance(faults_.truncate)) {
          datagram.bytes.resize(random_.Below(datagram.bytes.size() + 1));
        }
        in_flight_.push(std::move(datagram));
      }
      break;
    }
  }
}

void EngineNetwork::Arrive(const InFlight& datagram) {
  Host& host = hosts_[datagram.to];
  if (datagram.bytes.empty() || now_ < host.asleep_until) {
    return;
  }
  Trace(static_cast<std::uint64_t>(now_.since_boot().count()));
  Trace(datagram.to);
  for (const std::uint8_t byte : datagram.bytes) {
    Trace(byte);
  }
  host.engine_host->Receive(datagram.bytes, datagram.from, NowOf(host), datagram.ecn);
  Account(datagram.to);
  Transmit(datagram.to);
}

void EngineNetwork::Account(std::size_t to) {
  auto& delivered = hosts_[to].engine_host->tun.delivered;
  for (; !delivered.empty(); delivered.pop_front()) {
    const Bytes& packet = delivered.front();
    ++delivered_;
    if (packet.size() < kNumberAt + 24) {
      violations_.push_back("invented: too short");
      continue;
    }
    const std::uint64_t number = LoadBe64(packet.data() + kNumberAt);
    const auto at = outstanding_.find(number);
    if (at == outstanding_.end()) {
      violations_.push_back(fmt::format("packet {} delivered twice, or never sent", number));
      continue;
    }
    if (at->second != packet) {
      violations_.push_back(fmt::format("packet {} was altered", number));
    }
    if (LoadBe64(packet.data() + kNumberAt + 16) != to) {
      violations_.push_back(fmt::format("packet {} reached the wrong host", number));
    }
    last_arrival_[{LoadBe64(packet.data() + kNumberAt + 8), to}] = now_;
    Trace(number);
    outstanding_.erase(at);
  }
}

void EngineNetwork::Trace(std::uint64_t value) { trace_ = (trace_ ^ value) * 0x100000001b3; }

}  // namespace adit::testing
