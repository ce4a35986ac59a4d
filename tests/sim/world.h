#pragma once

#include <cstdio>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/administrator.h"
#include "tests/sim/ledger.h"
#include "tests/sim/network.h"
#include "tests/sim/scenario.h"
#include "tests/sim/traffic.h"

namespace adit::sim {

// What became of a schedule.
struct Outcome {
  std::vector<std::string> violations;
  std::uint64_t trace = 0;
  Duration virtual_time{0};
  Duration slowest_recovery{0};
  std::uint64_t events = 0;
  Ledger::Totals totals;
};

// One schedule from beginning to end: hosts, NATs, an attacker who holds no key, faults; then the
// faults stop, and every permitted pair must be connected within Scenario::RecoveryBound().
//
// Everything follows from the scenario: equal scenarios give equal traces, in every process.
//
// The bound, in the worst case of each kind. Both ends of a pair have something to send twice a
// second, and at least one end knows where the other is.
//
//  - An end that has no session, or has sent for 15 s into one that the other end does not have,
//    has a handshake under way, of which an initiation leaves every REKEY_TIMEOUT and up to 333 ms
//    of jitter. When the network heals, the next one gets through: one such time. It can be lost on
//    the responder once: when the responder has just accepted another of this peer, or when it
//    answers with a cookie. Then the one after that counts: two such times, and the round trips.
//  - An end that sends into a session which the other end has lost needs KEEPALIVE_TIMEOUT +
//    REKEY_TIMEOUT, 15 s, to notice, if the other end cannot speak first (it forgot where its peer
//    is, or its peer's NAT did). So what can make a host forget stops kNoticeTime before the last
//    fault; loss, damage, short partitions and attacks go on.
//  - The confirmation of a handshake may be the last thing that is lost. When its sender was
//    restarted and has nothing of its own to send, the responder sends into the session of before
//    for another KEEPALIVE_TIMEOUT + REKEY_TIMEOUT: its clock began anew with the initiation. So
//    the bound with crashes (kHosts, kEverything) is that of kOutage; schedules beyond two rekey
//    timeouts are counted, and few.
//  - After 90 s without any answer (REKEY_ATTEMPT_TIME) an end gives up and begins anew only 15 s
//    after the next packet it sends. Where partitions last that long (Kind::kOutage), the bound is
//    15 s + REKEY_TIMEOUT and the jitter of both.
class World {
 public:
  // log: what happens is told there; nullptr: nothing is.
  World(const Scenario& scenario, crypto::Aead& aead, std::FILE* log = nullptr);
  [[nodiscard]] Outcome Run();

 private:
  static constexpr Duration kNoticeTime = milliseconds(16'500);

  void Build(crypto::Aead& aead);
  void Every(Duration mean, Instant end, std::function<void()> strike);
  void StartFaults(Instant end);
  void Restart(std::size_t host);
  void StepWallClock(std::size_t host);
  void Suspend(std::size_t host, Instant end);
  void Choke(std::size_t host, Instant end);
  void Partition(Duration longest, Instant end);
  void Roam();
  void Attack();
  void Forget(std::size_t host);
  void Heal();
  void CheckRecovery(Instant since, Outcome& outcome);

  const Scenario scenario_;
  testing::SeededRandom random_;
  Scheduler scheduler_;
  Trace trace_;
  Network network_;
  std::vector<std::unique_ptr<Nat>> nats_;  // by client; null: a public address
  std::vector<Nat*> nat_of_;
  std::vector<Endpoint> endpoints_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::unique_ptr<ReferenceModel> model_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<Traffic> traffic_;
  std::unique_ptr<Administrator> administrator_;
  std::uint32_t partitions_ = 0;
  std::uint16_t next_port_ = 2000;

  // What the attacker has seen being accepted.
  struct Seen {
    Datagram datagram;
    std::size_t receiver = 0;
    Instant when;
  };
  std::deque<Seen> seen_;
  static constexpr std::size_t kMostSeen = 64;
};

}  // namespace adit::sim
