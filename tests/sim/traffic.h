#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/ledger.h"
#include "tests/sim/scenario.h"

namespace adit::sim {

// Where things are, inside and outside.
namespace addresses {
[[nodiscard]] std::string Inner(std::size_t host);                        // 100.64.0.x
[[nodiscard]] std::string Behind(std::size_t server, std::size_t which);  // 10.s.w.5: a resource
[[nodiscard]] std::string Wandering();  // in the prefix that moves from peer to peer
}  // namespace addresses

// The hosts' users: flows that are permitted, flows that are not, and answers to what arrives.
class Traffic {
 public:
  Traffic(const Scenario& scenario, const std::vector<std::unique_ptr<Host>>& hosts, Ledger& ledger,
          Scheduler& scheduler, std::uint64_t seed);

  // All flows, at random times, until `end`.
  void Start(Instant end);
  // The permitted ones of every pair, twice a second, until `end`.
  void StartProbes(Instant end);

  // The probes that must get through: from, to, and when one that was read at or after `since`
  // first arrived.
  struct Probe {
    std::size_t from = 0;
    std::size_t to = 0;
    std::optional<Instant> arrived;
  };
  void WatchProbes(Instant since);
  [[nodiscard]] const std::vector<Probe>& probes() const { return probes_; }

 private:
  struct Flow {
    std::size_t from = 0;
    Tuple tuple;
    bool opens = false;       // every packet of it
    bool has_opened = false;  // of TCP: its SYN was sent
    bool is_permitted_always = false;
  };

  void AddFlows();
  void Add(std::size_t from, const std::string& source, const std::string& destination,
           std::uint8_t protocol, std::uint16_t port, bool is_permitted_always = false,
           bool opens = false);
  void Continue(std::size_t flow, Instant end);
  void SendProbes(std::size_t flow, Instant end);
  void Send(std::size_t from, const Tuple& tuple, std::uint8_t flags_or_type, bool opens);
  void SendTrain(std::size_t from, const Tuple& tuple);
  void SendOnce(Flow& flow);
  void HandleArrival(std::size_t receiver, const Ledger::Arrival& arrival);

  const Scenario& scenario_;
  const std::vector<std::unique_ptr<Host>>& hosts_;
  Ledger& ledger_;
  Scheduler& scheduler_;
  testing::SeededRandom random_;
  std::vector<Flow> flows_;
  std::map<Tuple, std::size_t> opened_by_;  // flow, by what its answers are addressed to
  std::vector<Probe> probes_;
  Instant probes_since_ = Instant::Max();
};

}  // namespace adit::sim
