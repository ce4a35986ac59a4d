#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/configuration.h"
#include "tests/sim/host.h"

namespace adit::sim {

// Who may send what to whom: an obvious second opinion on what dataplane/engine and
// dataplane/access decide. It knows the hosts' configurations, every version of them, and which
// flows a peer has opened through a host that enforces access; it knows no session and no key.
//
// It says what must never be: what it permits may still be lost.
class ReferenceModel {
 public:
  explicit ReferenceModel(const std::vector<std::unique_ptr<Host>>& hosts)
      : hosts_(hosts), flows_(hosts.size()) {}

  // A packet that a host read from its TUN, and when.
  struct Packet {
    std::size_t sender = 0;
    Tuple tuple;
    bool opens = false;       // an echo request, or a TCP segment with SYN and without ACK
    std::size_t version = 0;  // of the sender's configuration at that moment
    Instant when{};           // by the sender's boot clock
    bool may_leave = false;   // else it must not reach anybody
  };
  // Judges it, and notes that its flow is in use.
  [[nodiscard]] Packet Read(std::size_t sender, const Tuple& tuple, bool opens);

  // It came out of a datagram at `receiver`. Nothing: it may. Else: why it must not.
  [[nodiscard]] std::string Judge(const Packet& packet, const Datagram& datagram,
                                  std::size_t receiver) const;
  // It was delivered: where access is enforced, its flow is open.
  void NoteDelivered(const Packet& packet, std::size_t receiver);

  // The process ended, or the peer was removed: its flows are forgotten.
  void ForgetFlows(std::size_t host) { flows_[host].clear(); }
  void ForgetFlows(std::size_t host, std::size_t peer);

 private:
  struct Flow {
    Instant last_used;
    bool is_confirmed = false;
  };
  using FlowKey = std::pair<std::size_t, Tuple>;  // the peer; its side is the source

  [[nodiscard]] static Duration LifetimeOf(const Tuple& tuple, const Flow& flow);

  const std::vector<std::unique_ptr<Host>>& hosts_;
  std::vector<std::map<FlowKey, Flow>> flows_;  // by host
};

}  // namespace adit::sim
