#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "common/ip_address.h"
#include "common/time.h"
#include "tests/sim/nat.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/trace.h"
#include "tests/support/packet_builder.h"

namespace adit::sim {

using testing::Bytes;

// What becomes of datagrams on their way, each with its probability.
struct NetworkFaults {
  double loss = 0;
  double duplicate = 0;
  double corrupt = 0;
  double truncate = 0;
  Duration min_delay = milliseconds(5);
  Duration jitter{0};        // on top, uniform
  bool keeps_order = false;  // between the same two hosts, whatever the jitter
};

// One datagram under way. What the simulation knows of it besides its bytes travels along.
struct Datagram {
  Bytes bytes;
  Endpoint from;  // as the receiver sees it
  Endpoint to;    // as the sender addressed it
  std::uint8_t ecn = 0;
  std::size_t sender = 0;          // host
  std::size_t sender_version = 0;  // of its configuration when the datagram left
  // In no byte that the receiver must check: mac2 of a handshake counts under load only.
  bool is_genuine = true;
};

// Changes the datagram at random, and says in it whether that matters.
void Alter(Datagram& datagram, testing::SeededRandom& random);

// The underlay of a world: public addresses, and hosts behind NATs. Carries datagrams between
// hosts, with faults, delays and partitions.
class Network {
 public:
  using Receiver = std::function<void(Datagram&)>;

  Network(Scheduler& scheduler, Trace& trace, std::uint64_t seed)
      : scheduler_(scheduler), trace_(trace), random_(seed) {}

  // Hosts are numbered in this order. nat: borrowed, or nullptr for a public address.
  std::size_t Attach(const Endpoint& endpoint, Nat* nat, Receiver receiver);
  // The host has another address from here on.
  void Move(std::size_t host, const Endpoint& endpoint);
  [[nodiscard]] const Endpoint& EndpointOf(std::size_t host) const { return hosts_[host].endpoint; }

  void set_faults(const NetworkFaults& faults) { faults_ = faults; }
  // Hosts in different groups do not reach each other; what is under way is lost.
  void SetGroup(std::size_t host, std::uint32_t group) { hosts_[host].group = group; }

  // From a host. datagram.to, bytes and the facts are set by the caller; `from` by its NAT.
  void Send(Datagram datagram);
  // From nowhere: datagram.from is what it claims. Free of faults and partitions.
  void Inject(Datagram datagram);

  [[nodiscard]] std::uint64_t sent() const { return sent_; }
  [[nodiscard]] std::uint64_t arrived() const { return arrived_; }

 private:
  struct Host {
    Endpoint endpoint;  // inside, if behind a NAT
    Nat* nat = nullptr;
    Receiver receiver;
    std::uint32_t group = 0;
  };

  [[nodiscard]] std::optional<std::size_t> HostAt(const Endpoint& to, const Endpoint& from);
  void Damage(Datagram& datagram);
  void Arrive(Datagram& datagram, bool is_injected);

  Scheduler& scheduler_;
  Trace& trace_;
  testing::SeededRandom random_;
  NetworkFaults faults_;
  std::vector<Host> hosts_;
  std::map<std::pair<std::size_t, Endpoint>, Instant> last_arrival_;  // where order is kept
  std::uint64_t sent_ = 0;
  std::uint64_t arrived_ = 0;
};

}  // namespace adit::sim
