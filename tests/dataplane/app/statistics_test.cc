#include "dataplane/app/statistics.h"

#include <gtest/gtest.h>

namespace adit::app {
namespace {

TEST(Statistics, OfAnIdleDeviceNameNoDrop) {
  EXPECT_EQ(StatisticsText({}),
            "tun_packets=0 delivered_packets=0 datagrams_received=0 datagrams_sent=0 sends=0 "
            "suspends_ipv4=0 suspends_ipv6=0");
}

TEST(Statistics, NameEveryReasonThatOccurredAndNoOther) {
  shard::ShardCounters counters;
  counters.engine.tun_packets = 1;
  counters.engine.delivered_packets = 2;
  counters.engine.datagrams_received = 3;
  counters.gso.data_datagrams = 40;
  counters.gso.control_datagrams = 4;
  counters.gso.sends = 5;
  counters.gso.suspends = {6, 7};
  const auto drop = [&](packet::DropReason reason, std::uint64_t count) {
    counters.engine.drops[static_cast<std::size_t>(reason)] = count;
  };
  drop(packet::DropReason::kMalformed, 8);
  drop(packet::DropReason::kUnderlayStuck, 9);
  EXPECT_EQ(StatisticsText(counters),
            "tun_packets=1 delivered_packets=2 datagrams_received=3 datagrams_sent=44 sends=5 "
            "suspends_ipv4=6 suspends_ipv6=7 drop_malformed=8 drop_underlay_stuck=9");
}

}  // namespace
}  // namespace adit::app
