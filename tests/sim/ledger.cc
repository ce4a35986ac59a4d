#include "tests/sim/ledger.h"

#include <numeric>
#include <span>

#include <fmt/format.h>

#include "dataplane/crypto/blake2s.h"
#include "dataplane/crypto/x25519.h"
#include "dataplane/wireguard/constants.h"
#include "dataplane/wireguard/initiation.h"
#include "dataplane/wireguard/labels.h"
#include "dataplane/wireguard/messages.h"
#include "dataplane/wireguard/noise_state.h"
#include "tests/support/packet_builder.h"

namespace adit::sim {

namespace wg = wireguard;
using packet::DropReason;

namespace {

constexpr std::size_t kIpHeader = 20;
constexpr std::size_t kMaxViolations = 20;
constexpr std::uint64_t kChecksumEvery = 16;  // packets; the slow sum costs as much as the cipher

std::size_t TransportHeaderSize(std::uint8_t protocol) { return protocol == 6 ? 20 : 8; }

// Of an IPv4 packet of ours, whole or quoted.
Tuple TupleOf(ByteSpan packet) {
  Tuple tuple;
  tuple.protocol = packet[9];
  tuple.source = IpAddress::V4(packet.data() + 12);
  tuple.destination = IpAddress::V4(packet.data() + 16);
  const std::uint8_t* transport = packet.data() + kIpHeader;
  tuple.source_port = LoadBe16(transport + (tuple.protocol == 1 ? 4 : 0));
  tuple.destination_port = LoadBe16(transport + (tuple.protocol == 1 ? 4 : 2));
  return tuple;
}

}  // namespace

Ledger::Ledger(const std::vector<std::unique_ptr<Host>>& hosts, ReferenceModel& model,
               Scheduler& scheduler, Trace& trace, const Options& options)
    : hosts_(hosts),
      model_(model),
      scheduler_(scheduler),
      trace_(trace),
      options_(options),
      ages_(hosts.size()) {}

const IpAddress& Ledger::AttackerAddress() {
  static const IpAddress address = *IpAddress::Parse("203.0.113.66");
  return address;
}

void Ledger::Violate(std::string text) {
  trace_.Log(scheduler_.now(), "VIOLATION {}", text);
  if (violations_.size() < kMaxViolations) {
    const double at = std::chrono::duration<double>(scheduler_.now().since_boot()).count();
    violations_.push_back(fmt::format("at {:.6f}: {}", at, text));
  }
}

testing::Bytes Ledger::PayloadOf(std::uint64_t number, std::size_t size) {
  testing::Bytes payload(size);
  StoreBe64(payload.data(), number);
  std::uint64_t state = number * 0x9e3779b97f4a7c15 + 1;
  for (std::size_t i = kMinPayload; i < size; ++i) {
    state = state * 6364136223846793005 + 1442695040888963407;
    payload[i] = static_cast<std::uint8_t>(state >> 56);
  }
  return payload;
}

std::uint64_t Ledger::Announce(std::size_t host, const Tuple& tuple, bool opens, std::size_t size) {
  reads_.push_back({{.sender = host, .tuple = tuple, .opens = opens}, size, Instant(), false});
  return reads_.size() - 1;
}

void Ledger::OnRead(std::size_t host, std::uint64_t first, std::size_t count) {
  for (Read& read : std::span(reads_).subspan(first, count)) {
    read.packet = model_.Read(host, read.packet.tuple, read.packet.opens);
    read.when = scheduler_.now();
    ++totals_.read;
    totals_.forbidden += read.packet.may_leave ? 0U : 1U;
  }
}

std::string Ledger::Describe(const Read& read) const {
  const Tuple& tuple = read.packet.tuple;
  return fmt::format("packet {} of host {} ({}:{} to {}:{}, protocol {})", &read - reads_.data(),
                     read.packet.sender, tuple.source.ToString(), tuple.source_port,
                     tuple.destination.ToString(), tuple.destination_port, tuple.protocol);
}

void Ledger::OnDelivered(std::size_t host, ByteSpan packet, const Datagram* datagram) {
  trace_.Add(host);
  trace_.Add(packet);
  const std::size_t header =
      packet.size() < kIpHeader ? packet.size() : kIpHeader + TransportHeaderSize(packet[9]);
  const bool is_icmp_error = packet.size() >= header && packet[9] == 1 && packet[kIpHeader] == 3;
  if (is_icmp_error) {
    CheckIcmpError(host, packet);
    return;
  }
  const std::uint64_t number =
      packet.size() >= header + kMinPayload ? LoadBe64(packet.data() + header) : UINT64_MAX;
  if (number >= reads_.size()) {
    Violate(fmt::format("host {} was delivered a packet that nobody sent", host));
    return;
  }
  Read& read = reads_[number];
  const Tuple& tuple = read.packet.tuple;
  const testing::Bytes expected = PayloadOf(number, read.size);
  const bool is_unaltered = TupleOf(packet) == tuple &&
                            std::ranges::equal(packet.subspan(header), expected) &&
                            (number % kChecksumEvery != 0 || testing::HasValidChecksums(packet));
  if (!is_unaltered) {
    Violate(fmt::format("host {} was delivered an altered {}", host, Describe(read)));
  }
  if (datagram == nullptr) {
    Violate(fmt::format("host {} was delivered {} out of nothing", host, Describe(read)));
    return;
  }
  if (read.is_delivered) {
    Violate(fmt::format("host {} was delivered {} again", host, Describe(read)));
  }
  read.is_delivered = true;
  ++totals_.delivered;
  trace_.Log(scheduler_.now(), "host {} is delivered {}", host, Describe(read));
  if (const std::string why = model_.Judge(read.packet, *datagram, host); !why.empty()) {
    Violate(fmt::format("host {} was delivered {}: {}", host, Describe(read), why));
    return;
  }
  if (options_.network_keeps_order) {
    std::uint64_t& last = last_delivered_[{host, tuple}];
    if (number < last) {
      Violate(fmt::format("{} came after {}", Describe(read), last));
    }
    last = number;
  }
  const auto index = LoadLe32(datagram->bytes.data() + wg::kReceiverAt);
  const auto created = ages_[host].by_local.find(index);
  if (created == ages_[host].by_local.end()) {
    Violate(fmt::format("host {} opened {} with a session nobody made", host, Describe(read)));
  } else if (hosts_[host]->now().boot - created->second >= wg::kRejectAfterTime) {
    Violate(fmt::format("host {} opened {} with an expired session", host, Describe(read)));
  }
  model_.NoteDelivered(read.packet, host);
  if (on_arrival) {
    on_arrival(host, {read.packet.sender, tuple, read.packet.opens, read.when});
  }
}

void Ledger::CheckIcmpError(std::size_t host, ByteSpan packet) {
  ++totals_.icmp_errors;
  const ByteSpan quoted = packet.subspan(kIpHeader + 8);
  const std::size_t header =
      quoted.size() < kIpHeader ? quoted.size() : kIpHeader + TransportHeaderSize(quoted[9]);
  const std::uint64_t number =
      quoted.size() >= header + kMinPayload ? LoadBe64(quoted.data() + header) : UINT64_MAX;
  const bool is_about_own = number < reads_.size() && reads_[number].packet.sender == host &&
                            TupleOf(quoted) == reads_[number].packet.tuple;
  if (!is_about_own) {
    Violate(fmt::format("host {} was told of an error about a packet it did not send", host));
  }
}

void Ledger::OnControl(std::size_t host, ByteSpan message) {
  const Instant now = hosts_[host]->now().boot;
  switch (*wg::Classify(message)) {
    case wg::MessageType::kInitiation:
      if (options_.opens_initiations) {
        CheckTimestamp(host, message);
      }
      break;
    case wg::MessageType::kResponse:
      ages_[host].by_local[LoadLe32(message.data() + wg::kSenderAt)] = now;
      ages_[host].by_remote[LoadLe32(message.data() + wg::kResponseReceiverAt)] = now;
      break;
    default:
      break;
  }
}

// As whoever it is for would read it: mac1 tells, and all keys are at hand.
void Ledger::CheckTimestamp(std::size_t host, ByteSpan initiation) {
  const ByteSpan signed_part = initiation.first(wg::kInitiationSize - 2 * crypto::kMacSize);
  for (const auto& [other, peer] : hosts_[host]->configuration().peers) {
    const crypto::Hash mac1_key = crypto::Blake2s({wg::kMac1Label, peer.key.bytes()});
    const crypto::Mac mac1 = crypto::KeyedBlake2s128(mac1_key, signed_part);
    if (!std::ranges::equal(mac1, initiation.subspan(signed_part.size(), mac1.size())) ||
        !hosts_[other]->is_running() || hosts_[other]->public_key() != peer.key) {
      continue;
    }
    const auto opened = wg::OpenInitiation(hosts_[other]->engine().identity(), initiation);
    const auto* fields = std::get_if<wg::OpenedInitiation>(&opened);
    crypto::SymmetricKey static_static;
    wg::Tai64n timestamp{};
    if (fields == nullptr || !crypto::X25519(hosts_[other]->engine().identity().private_key(),
                                             fields->static_key, static_static)) {
      Violate(fmt::format("host {} made an initiation that host {} cannot read", host, other));
      return;
    }
    wg::NoiseState noise(fields->chaining_key, fields->hash);
    noise.MixKey(static_static.bytes());
    wg::Tai64n& last = last_timestamp_[{fields->static_key, peer.key}];
    if (!noise.Open(fields->sealed_timestamp, timestamp) || timestamp <= last) {
      Violate(fmt::format("host {} sent host {} a timestamp that is not greater than the last",
                          host, other));
    }
    last = timestamp;
  }
}

void Ledger::OnSealed(std::size_t host, ByteSpan datagram) {
  const auto& ages = ages_[host].by_remote;
  const std::uint32_t index = LoadLe32(datagram.data() + wg::kReceiverAt);
  const auto created = ages.find(index);
  if (ages_[host].responding == index) {
    return;  // the answer to the response that made the session
  }
  if (created == ages.end()) {
    Violate(fmt::format("host {} sealed with a session nobody made", host));
  } else if (hosts_[host]->now().boot - created->second >= wg::kRejectAfterTime) {
    Violate(fmt::format("host {} sealed with an expired session", host));
  }
}

void Ledger::OnReceiving(std::size_t host, const Datagram& datagram) {
  if (wg::Classify(datagram.bytes) == wg::MessageType::kResponse) {
    ages_[host].responding = LoadLe32(datagram.bytes.data() + wg::kSenderAt);
  }
}

void Ledger::OnReceived(std::size_t host, const Datagram& datagram, const engine::Counters& before,
                        const engine::Counters& after) {
  const std::uint8_t* bytes = datagram.bytes.data();
  ages_[host].responding.reset();
  const bool has_completed = after.handshakes_completed != before.handshakes_completed;
  if (has_completed) {
    const Instant now = hosts_[host]->now().boot;
    ages_[host].by_remote[LoadLe32(bytes + wg::kSenderAt)] = now;
    ages_[host].by_local[LoadLe32(bytes + wg::kResponseReceiverAt)] = now;
  }
  const bool has_moved_state = has_completed ||
                               after.handshakes_answered != before.handshakes_answered ||
                               after.delivered_packets != before.delivered_packets ||
                               after.keepalives_received != before.keepalives_received;
  if (has_moved_state && !datagram.is_genuine) {
    Violate(fmt::format("host {} accepted an altered datagram", host));
  }
  if (has_moved_state && on_accepted) {
    on_accepted(host, datagram);
  }
}

void Ledger::OnSaved(std::size_t host, const std::vector<engine::PeerReport>& reports) {
  for (const engine::PeerReport& report : reports) {
    if (report.endpoint && report.endpoint->address == AttackerAddress()) {
      Violate(fmt::format("host {} sends a peer's datagrams to the attacker", host));
    }
  }
  CheckBounds(host);
}

void Ledger::CheckBounds(std::size_t host) {
  const engine::Holdings held = hosts_[host]->engine().holdings();
  const io::GsoQueue& queue = hosts_[host]->queue();
  const std::size_t peers = hosts_[host]->configuration().peers.size();
  const auto expect = [&](std::string_view what, std::size_t is, std::size_t most) {
    if (is > most) {
      Violate(fmt::format("host {} holds {} {}, more than {}", host, is, what, most));
    }
  };
  expect("peers", held.peers, peers);
  expect("sessions of one peer", held.most_sessions, 3);
  expect("receiver indices", held.receiver_indices, 4 * peers);
  expect("receiver indices beyond sessions", held.receiver_indices - held.sessions, peers);
  expect("staged packets of one peer", held.most_staged_packets,
         engine::StagedPackets::kMaxPackets);
  expect("staged bytes of one peer", held.most_staged_bytes, engine::StagedPackets::kMaxBytes);
  expect("timers", held.timers, peers);
  expect("handshakes", held.waiting_handshakes, 0);  // served in the same turn
  expect("pending flushes", held.pending_flushes, peers);
  // Identity; a peer's preshared and static-static key, two of a handshake, two a session.
  expect("keys", hosts_[host]->arena_slots(), 1 + peers * (1 + 1 + 2 + 3 * 2));
  expect("packets in front of the TUN", hosts_[host]->tun_backlog(), Host::kTunBacklog);
  if (!queue.InvariantsHold()) {
    Violate(fmt::format("host {}'s queue is not as it must be", host));
  }
}

void Ledger::OnEnd(std::size_t host) {
  Host& ending = *hosts_[host];
  CheckBounds(host);
  if (ending.disk().mark() < ending.engine().greatest_timestamp()) {
    Violate(fmt::format("host {} was killed with a timestamp beyond the mark on its disk", host));
  }
  const std::uint64_t backlog = ending.engine().holdings().staged_packets;
  const std::uint64_t discarded_before = ending.discarded();
  const engine::Counters counters = ending.CountersAtEnd();
  const std::uint64_t came =
      counters.tun_packets + counters.datagrams_received + counters.own_packets + discarded_before;
  const std::uint64_t went = counters.delivered_packets + counters.keepalives_received +
                             counters.handshakes_answered + counters.handshakes_completed +
                             counters.cookies_accepted + counters.datagrams_sealed;
  const std::uint64_t dropped =
      std::accumulate(counters.drops.begin(), counters.drops.end(), std::uint64_t{0});
  if (came != went + dropped) {
    Violate(fmt::format("host {} counted {} in and {} out ({} staged)", host, came, went + dropped,
                        backlog));
  }
  const engine::Holdings held = ending.engine().holdings();
  if (held.sessions + held.receiver_indices + held.staged_packets + held.timers != 0 ||
      ending.arena_slots() != 1) {
    Violate(fmt::format("host {} without peers holds something", host));
  }
  totals_.handshakes += counters.handshakes_completed;
  totals_.replays_refused += counters.drops[static_cast<std::size_t>(DropReason::kReplayed)];
  model_.ForgetFlows(host);
  ages_[host] = {};
}

}  // namespace adit::sim
