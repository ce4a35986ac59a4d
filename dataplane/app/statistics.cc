#include "dataplane/app/statistics.h"

#include <iterator>

#include <fmt/format.h>

namespace adit::app {

std::string StatisticsText(const shard::ShardCounters& counters) {
  const io::GsoCounters& gso = counters.gso;
  std::string text = fmt::format(
      "tun_packets={} delivered_packets={} datagrams_received={} datagrams_sent={} sends={} "
      "suspends_ipv4={} suspends_ipv6={}",
      counters.engine.tun_packets, counters.engine.delivered_packets,
      counters.engine.datagrams_received, gso.data_datagrams + gso.control_datagrams, gso.sends,
      gso.suspends[io::IndexOf(IpFamily::kV4)], gso.suspends[io::IndexOf(IpFamily::kV6)]);
  if (counters.engine.garbled_trains != 0) {
    fmt::format_to(std::back_inserter(text), " garbled_trains={}", counters.engine.garbled_trains);
  }
  for (std::size_t i = 0; i < packet::kDropReasonCount; ++i) {
    if (counters.engine.drops[i] != 0) {
      fmt::format_to(std::back_inserter(text), " drop_{}={}", packet::kDropReasonTexts[i],
                     counters.engine.drops[i]);
    }
  }
  return text;
}

}  // namespace adit::app
