#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/host.h"
#include "tests/sim/reference_model.h"

namespace adit::sim {

// Watches every host of a world and says what must never happen. It is told of each packet that a
// host reads from its TUN and sees all that the engines do:
//
//  - each packet is delivered at most once, unaltered, and only where the reference model says;
//    with a network that keeps order, in order within its flow;
//  - nothing else is delivered but ICMP errors that quote a packet the receiver sent;
//  - no session seals or opens at REJECT_AFTER_TIME or later;
//  - a peer's path never leads to the attacker, who has no key;
//  - a host's handshake timestamps to a peer only grow, restarts included, and are covered by the
//    mark on its disk when it is killed;
//  - sessions, indices, keys, staged packets, timers and queues stay within their bounds;
//  - everything that came into an engine was delivered, sent or counted as dropped, once.
class Ledger final : public HostWatch {
 public:
  struct Options {
    bool network_keeps_order = false;
    bool opens_initiations = false;  // read their timestamps: 60 us each
  };
  Ledger(const std::vector<std::unique_ptr<Host>>& hosts, ReferenceModel& model,
         Scheduler& scheduler, Trace& trace, const Options& options);

  // Numbers a packet that the host's stack sends. The number goes into the payload, which follows
  // from number and size (PayloadOf). It is judged when the engine reads it.
  std::uint64_t Announce(std::size_t host, const Tuple& tuple, bool opens, std::size_t size);
  [[nodiscard]] static testing::Bytes PayloadOf(std::uint64_t number, std::size_t size);
  static constexpr std::size_t kMinPayload = 8;

  struct Arrival {
    std::size_t sender = 0;
    Tuple tuple;
    bool opens = false;
    Instant read;  // the world's time
  };
  // Called with each packet that was rightly delivered.
  std::function<void(std::size_t receiver, const Arrival& arrival)> on_arrival;
  // Called with each genuine datagram that moved its receiver's state: what an attacker may hold.
  std::function<void(std::size_t receiver, const Datagram& datagram)> on_accepted;

  // What was not right; empty it must be.
  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }
  void Violate(std::string text);

  struct Totals {
    std::uint64_t read = 0;
    std::uint64_t delivered = 0;
    std::uint64_t forbidden = 0;  // read, and not to reach anybody
    std::uint64_t icmp_errors = 0;
    std::uint64_t handshakes = 0;
    std::uint64_t replays_refused = 0;
  };
  [[nodiscard]] const Totals& totals() const { return totals_; }

  static const IpAddress& AttackerAddress();

  // --- HostWatch
  void OnRead(std::size_t host, std::uint64_t first, std::size_t count) override;
  void OnControl(std::size_t host, ByteSpan message) override;
  void OnSealed(std::size_t host, ByteSpan datagram) override;
  void OnDelivered(std::size_t host, ByteSpan packet, const Datagram* datagram) override;
  void OnReceiving(std::size_t host, const Datagram& datagram) override;
  void OnReceived(std::size_t host, const Datagram& datagram, const engine::Counters& before,
                  const engine::Counters& after) override;
  void OnSaved(std::size_t host, const std::vector<engine::PeerReport>& reports) override;
  void OnEnd(std::size_t host) override;

 private:
  struct Read {
    ReferenceModel::Packet packet;
    std::size_t size = 0;
    Instant when;
    bool is_delivered = false;
  };
  // When a host came to have a session, by its own index and by the peer's.
  struct SessionAges {
    std::map<std::uint32_t, Instant> by_local;
    std::map<std::uint32_t, Instant> by_remote;
    std::optional<std::uint32_t> responding;  // by remote: a response that is just being read
  };

  void CheckIcmpError(std::size_t host, ByteSpan packet);
  void CheckBounds(std::size_t host);
  void CheckTimestamp(std::size_t host, ByteSpan initiation);
  [[nodiscard]] std::string Describe(const Read& read) const;

  const std::vector<std::unique_ptr<Host>>& hosts_;
  ReferenceModel& model_;
  Scheduler& scheduler_;
  Trace& trace_;
  const Options options_;
  std::vector<Read> reads_;  // by number
  std::vector<SessionAges> ages_;
  // Number, by receiver and flow.
  std::map<std::pair<std::size_t, Tuple>, std::uint64_t> last_delivered_;
  std::map<std::pair<PublicKey, PublicKey>, wireguard::Tai64n> last_timestamp_;
  std::vector<std::string> violations_;
  Totals totals_;
};

}  // namespace adit::sim
