#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <set>
#include <string>
#include <vector>

#include "tests/support/engine_host.h"

namespace adit::testing {

// What the network does to a datagram, each with its probability.
struct NetworkFaults {
  double loss = 0;
  double duplicate = 0;
  double corrupt = 0;
  double truncate = 0;
  Duration max_delay = milliseconds(20);  // uniform: datagrams overtake each other
  // What befalls a host, per second.
  double restart = 0;    // killed and started from its state file
  double wall_step = 0;  // its wall clock jumps by up to an hour either way
  double suspend = 0;    // sleeps up to ten minutes of its boot clock; the world waits a second
  double cut = 0;        // unreachable for up to eight seconds
  double change_address = 0;  // of host 0: its NAT gives it another port (if both ends of a
                              // pair moved at once, WireGuard could not find them again)
};

// Several engines, each the peer of every other, over a network that loses, repeats, reorders,
// alters and delays, in virtual time and one thread. Everything follows from the seed: equal seeds
// give equal traces.
class EngineNetwork {
 public:
  EngineNetwork(std::uint64_t seed, std::size_t hosts);

  void set_faults(const NetworkFaults& faults) { faults_ = faults; }
  // Lets `duration` pass. Every host sends to every other at this interval, if it is not zero.
  void Run(Duration duration, Duration send_interval = milliseconds(500));

  // From when to when: packets from `from` that arrived at `to` after `since`.
  [[nodiscard]] bool ArrivedSince(std::size_t from, std::size_t to, Instant since) const {
    const auto at = last_arrival_.find({from, to});
    return at != last_arrival_.end() && at->second > since;
  }
  [[nodiscard]] Instant now() const { return now_; }
  [[nodiscard]] std::size_t size() const { return hosts_.size(); }
  [[nodiscard]] EngineHost& host(std::size_t i) { return *hosts_[i].engine_host; }

  // A digest of every datagram that arrived and every packet that was delivered, with its time.
  [[nodiscard]] std::uint64_t trace() const { return trace_; }
  [[nodiscard]] std::uint64_t sent() const { return next_packet_; }
  [[nodiscard]] std::uint64_t delivered() const { return delivered_; }
  [[nodiscard]] std::uint64_t restarts() const { return restarts_; }
  // Delivered twice, altered, to the wrong host, or never sent. Must stay empty.
  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }
  // Called with a host that is about to be killed, and with all at the end by the test.
  std::function<void(EngineHost&)> on_host_ends;

 private:
  struct Host {
    std::unique_ptr<EngineHost> engine_host;
    Endpoint seen_as;  // by the others, behind its NAT
    Duration boot_offset{0};
    Duration wall_offset{0};
    Instant cut_until;
    Instant asleep_until;
  };
  struct InFlight {
    Instant arrives;
    std::uint64_t order = 0;
    std::size_t to = 0;
    Endpoint from;
    Bytes bytes;
    std::uint8_t ecn = 0;
    friend bool operator>(const InFlight& a, const InFlight& b) {
      return std::tie(a.arrives, a.order) > std::tie(b.arrives, b.order);
    }
  };

  [[nodiscard]] std::string AddressOf(std::size_t host) const;
  [[nodiscard]] std::unique_ptr<EngineHost> MakeHost(std::size_t host) const;
  void MakePeers(std::size_t host);
  void Restart(std::size_t host);
  [[nodiscard]] Now NowOf(const Host& host) const;
  void Strike(Duration step);
  void Send(std::size_t from, std::size_t to);
  void Turn(std::size_t host);
  void Transmit(std::size_t from);
  void Arrive(const InFlight& datagram);
  void Account(std::size_t to);
  void Trace(std::uint64_t value);

  SeededRandom random_;
  const std::uint64_t seed_;
  NetworkFaults faults_;
  Instant now_{seconds(1000)};
  WallTime wall_{seconds(1'700'000'000)};
  Instant next_send_{seconds(1000)};
  std::vector<Host> hosts_;
  std::priority_queue<InFlight, std::vector<InFlight>, std::greater<>> in_flight_;
  std::uint64_t next_order_ = 0;
  std::uint64_t next_packet_ = 0;
  std::map<std::uint64_t, Bytes> outstanding_;  // by number, until delivered
  std::map<std::pair<std::size_t, std::size_t>, Instant> last_arrival_;
  std::uint64_t delivered_ = 0;
  std::uint64_t restarts_ = 0;
  std::uint64_t trace_ = 0xcbf29ce484222325;
  std::vector<std::string> violations_;
};

}  // namespace adit::testing
