#pragma once

#include <memory>
#include <vector>

#include "tests/sim/ledger.h"
#include "tests/sim/network.h"

namespace adit::sim {

// Two hosts that are each other's peers, both with addresses of their own: for tests that follow a
// script. A client, host 1, knows where the server, host 0, is, and the other way round.
class Pair {
 public:
  Pair(std::uint64_t seed, crypto::Aead& aead);

  Scheduler& scheduler() { return scheduler_; }
  Network& network() { return network_; }
  Ledger& ledger() { return *ledger_; }
  Host& host(std::size_t i) { return *hosts_[i]; }
  void Pass(Duration time) { scheduler_.RunUntil(scheduler_.now() + time); }

  // A packet to the other host, read now. Every one has its number in its payload.
  void Send(std::size_t from, std::size_t size = 100);
  // One each `interval`, both ways, for so long.
  void SendBothWays(Duration time, Duration interval);
  [[nodiscard]] std::uint64_t read() const { return ledger_->totals().read; }
  [[nodiscard]] std::uint64_t delivered() const { return ledger_->totals().delivered; }
  [[nodiscard]] std::uint64_t handshakes() const;
  void Kill(std::size_t i);

 private:
  Scheduler scheduler_;
  Trace trace_{nullptr};
  Network network_;
  std::vector<std::unique_ptr<Host>> hosts_{2};
  ReferenceModel model_{hosts_};
  std::unique_ptr<Ledger> ledger_;
};

}  // namespace adit::sim
