// Several engines under faults, in virtual time. A failing seed is repeated with its number.
#include "tests/sim/engine_network.h"

#include <gtest/gtest.h>

#include "dataplane/wireguard/constants.h"
#include "tests/support/counter_sum.h"

namespace adit::testing {
namespace {

constexpr NetworkFaults kBadNetwork = {.loss = 0.2,
                                       .duplicate = 0.2,
                                       .corrupt = 0.03,
                                       .truncate = 0.02,
                                       .max_delay = milliseconds(400)};

NetworkFaults BadHosts() {
  NetworkFaults faults = kBadNetwork;
  faults.restart = 0.01;
  faults.wall_step = 0.02;
  faults.suspend = 0.005;
  faults.cut = 0.02;
  return faults;
}

NetworkFaults Roaming() {
  NetworkFaults faults = kBadNetwork;
  faults.wall_step = 0.02;
  faults.cut = 0.02;
  faults.change_address = 0.05;
  return faults;
}

class EngineNetworkTest : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  static void ExpectNoViolation(const EngineNetwork& network) {
    EXPECT_TRUE(network.violations().empty())
        << network.violations().size() << ", first: " << network.violations().front();
  }
  static void EndHost(EngineHost& host) {
    host.engine->RemoveAllPeers();  // what was staged is counted
    ExpectCountersAddUp(host.engine->counters());
  }
  static void EndAll(EngineNetwork& network) {
    for (std::size_t i = 0; i < network.size(); ++i) {
      EndHost(network.host(i));
    }
  }
  // Every pair of hosts, both ways, has heard from the other since then.
  static void ExpectAllConnectedSince(const EngineNetwork& network, Instant since) {
    for (std::size_t from = 0; from < network.size(); ++from) {
      for (std::size_t to = 0; to < network.size(); ++to) {
        if (from != to) {
          EXPECT_TRUE(network.ArrivedSince(from, to, since)) << from << " to " << to;
        }
      }
    }
  }
  // Two rekey timeouts with their jitter, and the way there and back.
  static constexpr Duration kRecovery =
      2 * (wireguard::kRekeyTimeout + wireguard::kMaxJitter) + milliseconds(1000);
};

TEST_P(EngineNetworkTest, APerfectNetworkDeliversEverythingThroughRekeys) {
  EngineNetwork network(GetParam(), 4);
  network.set_faults({.max_delay = Duration(0)});
  network.Run(seconds(400));
  const std::uint64_t sent = network.sent();
  network.Run(seconds(1), Duration(0));
  ExpectNoViolation(network);
  EXPECT_EQ(network.delivered(), sent);
  EndAll(network);
}

TEST_P(EngineNetworkTest, ABadNetworkDuplicatesAndAltersNothing) {
  EngineNetwork network(GetParam(), 4);
  network.set_faults(kBadNetwork);
  network.Run(seconds(400));
  ExpectNoViolation(network);
  EXPECT_GT(network.delivered(), network.sent() / 2);
  EndAll(network);
}

TEST_P(EngineNetworkTest, WithinTwoRekeyTimeoutsAfterFaultsEveryPairIsConnected) {
  for (const NetworkFaults& faults : {BadHosts(), Roaming()}) {
    EngineNetwork network(GetParam(), 4);
    network.on_host_ends = EndHost;
    for (int round = 0; round < 4; ++round) {
      network.set_faults(faults);
      network.Run(seconds(150));
      network.set_faults({});
      network.Run(kRecovery);
      const Instant healed = network.now();
      network.Run(seconds(2));
      SCOPED_TRACE(::testing::Message() << "round " << round);
      ExpectAllConnectedSince(network, healed);
    }
    ExpectNoViolation(network);
    EXPECT_EQ(network.restarts() > 3, faults.restart != 0);
    EndAll(network);
  }
}

TEST_P(EngineNetworkTest, TheSameSeedGivesTheSameTrace) {
  const auto trace_of = [](std::uint64_t seed) {
    EngineNetwork network(seed, 3);
    network.set_faults(BadHosts());
    network.Run(seconds(120));
    return network.trace();
  };
  EXPECT_EQ(trace_of(GetParam()), trace_of(GetParam()));
  EXPECT_NE(trace_of(GetParam()), trace_of(GetParam() + 1000));
}

INSTANTIATE_TEST_SUITE_P(Seeds, EngineNetworkTest, ::testing::Range<std::uint64_t>(1, 13));

}  // namespace
}  // namespace adit::testing
