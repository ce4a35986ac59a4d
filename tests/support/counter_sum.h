#pragma once

#include <numeric>

#include <gtest/gtest.h>

#include "dataplane/engine/report.h"

namespace adit::testing {

// Everything that came in or was made was delivered, sent or dropped under exactly one reason. Of
// an engine that holds nothing back: its peers removed, its handshakes served.
inline void ExpectCountersAddUp(const engine::Counters& c) {
  const std::uint64_t came = c.tun_packets + c.datagrams_received + c.own_packets;
  const std::uint64_t went = c.delivered_packets + c.keepalives_received + c.handshakes_answered +
                             c.handshakes_completed + c.cookies_accepted + c.datagrams_sealed;
  const std::uint64_t dropped = std::accumulate(c.drops.begin(), c.drops.end(), std::uint64_t{0});
  EXPECT_EQ(came, went + dropped) << "tun " << c.tun_packets << " received " << c.datagrams_received
                                  << " own " << c.own_packets << " delivered "
                                  << c.delivered_packets << " sealed " << c.datagrams_sealed
                                  << " dropped " << dropped;
}

}  // namespace adit::testing
