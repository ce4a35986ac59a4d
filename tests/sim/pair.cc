#include "tests/sim/pair.h"

#include <fmt/format.h>

namespace adit::sim {
namespace {

std::string InnerAddress(std::size_t host) { return fmt::format("100.64.0.{}", host + 1); }

}  // namespace

Pair::Pair(std::uint64_t seed, crypto::Aead& aead)
    : scheduler_(seed), network_(scheduler_, trace_, seed + 1) {
  ledger_ = std::make_unique<Ledger>(hosts_, model_, scheduler_, trace_,
                                     Ledger::Options{.opens_initiations = true});
  testing::SeededRandom random(seed + 2);
  for (std::size_t i = 0; i < 2; ++i) {
    hosts_[i] = std::make_unique<Host>(Host::Services{scheduler_, network_, trace_, *ledger_, aead},
                                       i, random.Next64());
    network_.Attach(*Endpoint::Parse(fmt::format("192.0.2.{}:51820", i + 1)), nullptr,
                    [this, i](Datagram& datagram) { hosts_[i]->Receive(datagram); });
    std::array<std::uint8_t, 32> key{};
    random.Fill(key);
    hosts_[i]->SetPrivateKey(key);
  }
  for (std::size_t i = 0; i < 2; ++i) {
    Configuration configuration;
    configuration.peers[1 - i] = {.key = hosts_[1 - i]->public_key(),
                                  .endpoint = network_.EndpointOf(1 - i),
                                  .preshared_key = {},
                                  .prefixes = {*IpPrefix::Parse(InnerAddress(1 - i))}};
    hosts_[i]->Configure(std::move(configuration), {});
    hosts_[i]->Start(false);
  }
}

void Pair::Send(std::size_t from, std::size_t size) {
  const std::string source = InnerAddress(from);
  const std::string destination = InnerAddress(1 - from);
  const Tuple tuple = {*IpAddress::Parse(source), *IpAddress::Parse(destination), 17, 40000, 443};
  const std::uint64_t number = ledger_->Announce(from, tuple, false, size);
  hosts_[from]->ReadTun(
      {.bytes = testing::BuildPacket({.source = source,
                                      .destination = destination,
                                      .source_port = tuple.source_port,
                                      .destination_port = tuple.destination_port,
                                      .payload = Ledger::PayloadOf(number, size)}),
       .offload = {},
       .first_number = number});
}

void Pair::SendBothWays(Duration time, Duration interval) {
  for (const Instant end = scheduler_.now() + time; scheduler_.now() < end;) {
    Send(0);
    Send(1);
    Pass(interval);
  }
}

std::uint64_t Pair::handshakes() const {
  std::uint64_t count = 0;
  for (const auto& host : hosts_) {
    count += host->engine().counters().handshakes_completed;
  }
  return count;
}

void Pair::Kill(std::size_t i) { hosts_[i]->Kill(); }

}  // namespace adit::sim
