#include "tests/sim/traffic.h"

#include <fmt/format.h>

namespace adit::sim {
namespace {

constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;
constexpr std::uint8_t kIcmp = 1;
constexpr std::uint8_t kSyn = 0x02;
constexpr std::uint8_t kSynAck = 0x12;
constexpr std::uint8_t kAck = 0x10;
constexpr std::uint8_t kEchoRequest = 8;
constexpr std::uint8_t kEchoReply = 0;
constexpr std::uint16_t kFirstPort = 40000;  // of who begins
constexpr Duration kProbeInterval = milliseconds(500);

}  // namespace

namespace addresses {
std::string Inner(std::size_t host) { return fmt::format("100.64.0.{}", host + 1); }
std::string Behind(std::size_t server, std::size_t which) {
  return fmt::format("10.{}.{}.5", server, which);
}
std::string Wandering() { return "10.60.0.5"; }
}  // namespace addresses

Traffic::Traffic(const Scenario& scenario, const std::vector<std::unique_ptr<Host>>& hosts,
                 Ledger& ledger, Scheduler& scheduler, std::uint64_t seed)
    : scenario_(scenario), hosts_(hosts), ledger_(ledger), scheduler_(scheduler), random_(seed) {
  ledger_.on_arrival = [this](std::size_t receiver, const Ledger::Arrival& arrival) {
    HandleArrival(receiver, arrival);
  };
  AddFlows();
}

void Traffic::Add(std::size_t from, const std::string& source, const std::string& destination,
                  std::uint8_t protocol, std::uint16_t port, bool is_permitted_always, bool opens) {
  Flow flow;
  flow.from = from;
  flow.tuple = {*IpAddress::Parse(source), *IpAddress::Parse(destination), protocol,
                static_cast<std::uint16_t>(kFirstPort + flows_.size()), port};
  if (protocol == kIcmp) {
    flow.tuple.destination_port = flow.tuple.source_port;
  }
  flow.opens = opens || protocol == kIcmp;
  flow.is_permitted_always = is_permitted_always;
  flows_.push_back(flow);
}

// The policy is in reconfiguration.cc: of the resources behind a gateway, 0 is always granted, 1
// comes and goes, 2 is never granted to anybody.
void Traffic::AddFlows() {
  using addresses::Behind;
  using addresses::Inner;
  const std::size_t count = hosts_.size();
  for (std::size_t server = 0; server < scenario_.servers; ++server) {
    for (std::size_t client = scenario_.servers; client < count; ++client) {
      const std::string inner = Inner(client);
      const std::string other = Inner(client + 1 < count ? client + 1 : scenario_.servers);
      if (scenario_.is_hub) {
        Add(client, inner, Behind(server, 0), kUdp, 443, true);
        Add(client, inner, Behind(server, 0), kTcp, 443);
        Add(client, inner, Behind(server, 1), kUdp, 53);
        Add(client, inner, Behind(server, 1), kIcmp, 0);
        Add(client, inner, Behind(server, 1), kUdp, 99);   // a port the filter may refuse
        Add(client, inner, Behind(server, 2), kUdp, 443);  // never granted
        Add(server, Inner(server), inner, kUdp, 443);      // not opened by the peer
        Add(server, Behind(server, 0), inner, kTcp, 443, false, true);
        Add(server, Behind(server, 1), inner, kIcmp, 0);
      } else {
        Add(client, inner, Inner(server), kUdp, 443, true);
        Add(server, Inner(server), inner, kUdp, 443, true);
        Add(server, Inner(server), addresses::Wandering(), kUdp, 443);
        Add(client, addresses::Wandering(), Inner(server), kUdp, 443);  // its own only at times
      }
      Add(client, other, scenario_.is_hub ? Behind(server, 0) : Inner(server), kUdp,
          443);                                    // forged
      Add(client, inner, "192.0.2.7", kUdp, 443);  // nobody's
    }
    for (std::size_t peer = 0; !scenario_.is_hub && peer < scenario_.servers; ++peer) {
      if (peer != server) {
        Add(server, Inner(server), Inner(peer), kUdp, 443, true);
      }
    }
  }
}

void Traffic::Start(Instant end) {
  for (std::size_t i = 0; i < flows_.size(); ++i) {
    scheduler_.After(Exponential(random_, scenario_.send_interval),
                     [this, i, end] { Continue(i, end); });
  }
}

void Traffic::Continue(std::size_t flow, Instant end) {
  if (scheduler_.now() >= end) {
    return;
  }
  SendOnce(flows_[flow]);
  // Now and then a flow rests, so that sessions age and mappings expire.
  const bool rests = random_.Below(40) == 0;
  const Duration pause = rests ? Between(random_, seconds(20), seconds(200))
                               : Exponential(random_, scenario_.send_interval);
  scheduler_.After(pause, [this, flow, end] { Continue(flow, end); });
}

void Traffic::SendOnce(Flow& flow) {
  if (flow.tuple.protocol == kIcmp) {
    Send(flow.from, flow.tuple, kEchoRequest, true);
  } else if (flow.tuple.protocol == kTcp) {
    const bool is_first = flow.opens || !std::exchange(flow.has_opened, true);
    Send(flow.from, flow.tuple, is_first ? kSyn : kAck, is_first);
  } else if (scenario_.sends_trains && random_.Below(3) == 0) {
    SendTrain(flow.from, flow.tuple);
  } else {
    Send(flow.from, flow.tuple, 0, false);
  }
}

void Traffic::Send(std::size_t from, const Tuple& tuple, std::uint8_t flags_or_type, bool opens) {
  const std::size_t size = Ledger::kMinPayload + random_.Below(random_.Below(4) == 0 ? 1300 : 200);
  const std::uint64_t number = ledger_.Announce(from, tuple, opens, size);
  const std::string source = tuple.source.ToString();
  const std::string destination = tuple.destination.ToString();
  hosts_[from]->ReadTun({.bytes = testing::BuildPacket({.source = source,
                                                        .destination = destination,
                                                        .protocol = tuple.protocol,
                                                        .source_port = tuple.source_port,
                                                        .destination_port = tuple.destination_port,
                                                        .payload = Ledger::PayloadOf(number, size),
                                                        .tcp_flags = flags_or_type,
                                                        .icmp_type = flags_or_type}),
                         .offload = {},
                         .first_number = number});
}

// A UDP super-packet: equal segments and perhaps a shorter last, each a packet of its own.
void Traffic::SendTrain(std::size_t from, const Tuple& tuple) {
  const std::size_t segment = 40 + random_.Below(1300);
  const std::size_t count = 2 + random_.Below(12);
  const std::size_t last = Ledger::kMinPayload + random_.Below(segment - Ledger::kMinPayload + 1);
  Bytes payload;
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t size = i + 1 == count ? last : segment;
    number = ledger_.Announce(from, tuple, false, size);
    const Bytes part = Ledger::PayloadOf(number, size);
    payload.insert(payload.end(), part.begin(), part.end());
  }
  const std::string source = tuple.source.ToString();
  const std::string destination = tuple.destination.ToString();
  hosts_[from]->ReadTun({.bytes = testing::BuildPacket({.source = source,
                                                        .destination = destination,
                                                        .source_port = tuple.source_port,
                                                        .destination_port = tuple.destination_port,
                                                        .payload = std::move(payload)}),
                         .offload = {.gso_type = packet::GsoType::kUdp,
                                     .needs_checksum = true,
                                     .gso_size = static_cast<std::uint16_t>(segment),
                                     .header_length = 28,
                                     .checksum_start = 20,
                                     .checksum_offset = 6},
                         .first_number = number + 1 - count,
                         .count = count});
}

// Whoever is addressed answers most of what arrives, a little later.
void Traffic::HandleArrival(std::size_t receiver, const Ledger::Arrival& arrival) {
  for (Probe& probe : probes_) {
    const bool is_it = probe.from == arrival.sender && probe.to == receiver &&
                       arrival.read >= probes_since_ && !probe.arrived;
    if (is_it) {
      probe.arrived = scheduler_.now();
    }
  }
  const Tuple& tuple = arrival.tuple;
  const bool is_request = tuple.protocol == kIcmp ? arrival.opens : tuple.source_port >= kFirstPort;
  if (!is_request || random_.Below(8) == 0) {
    return;
  }
  scheduler_.After(Between(random_, {}, milliseconds(50)), [this, receiver, tuple] {
    const std::uint8_t flags = tuple.protocol == kIcmp ? kEchoReply
                               : random_.Below(4) == 0 ? kSynAck
                                                       : kAck;
    Send(receiver, tuple.Reversed(), flags, false);
  });
}

void Traffic::StartProbes(Instant end) {
  for (std::size_t i = 0; i < flows_.size(); ++i) {
    if (flows_[i].is_permitted_always) {
      scheduler_.After(Between(random_, {}, kProbeInterval),
                       [this, i, end] { SendProbes(i, end); });
    }
  }
}

void Traffic::SendProbes(std::size_t flow, Instant end) {
  if (scheduler_.now() < end) {
    Send(flows_[flow].from, flows_[flow].tuple, 0, false);
    scheduler_.After(kProbeInterval, [this, flow, end] { SendProbes(flow, end); });
  }
}

void Traffic::WatchProbes(Instant since) {
  probes_since_ = since;
  for (std::size_t server = 0; server < scenario_.servers; ++server) {
    const std::size_t first = scenario_.is_hub ? scenario_.servers : 0;
    for (std::size_t peer = first; peer < hosts_.size(); ++peer) {
      if (peer >= scenario_.servers || peer > server) {
        probes_.push_back({server, peer, std::nullopt});
        probes_.push_back({peer, server, std::nullopt});
      }
    }
  }
}

}  // namespace adit::sim
