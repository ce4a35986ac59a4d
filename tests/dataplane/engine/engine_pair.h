#pragma once

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/support/engine_host.h"

namespace adit::testing {

// A client that dials a gateway which does not know the client's address.
class EnginePair : public ::testing::Test {
 protected:
  explicit EnginePair(bool enforce = false)
      : client_(1, "192.0.2.1:1111", false), gateway_(2, "198.51.100.2:51820", enforce) {
    (void)client_.engine->ApplyPatch(client_.PatchFor(gateway_, "10.0.0.0/8"), now());
    (void)gateway_.engine->ApplyPatch(gateway_.PatchFor(client_, "100.64.0.2/32", false), now());
  }

  [[nodiscard]] Now now() const { return time_.now; }

  // Carries everything both ways until nothing moves.
  void Settle() {
    while (!client_.datagrams.sent.empty() || !gateway_.datagrams.sent.empty()) {
      Carry(client_, gateway_);
      Carry(gateway_, client_);
    }
  }
  void Carry(EngineHost& from, EngineHost& to) {
    while (!from.datagrams.sent.empty()) {
      const SentDatagram sent = from.datagrams.sent.front();
      from.datagrams.sent.pop_front();
      if (sent.path.remote == to.endpoint()) {
        to.Receive(sent.bytes, from.endpoint(), now(), sent.path.tos & 3);
      }
    }
  }
  void RunFor(Duration duration) {
    const Instant end = now().boot + duration;
    while (now().boot < end) {
      time_.Advance(milliseconds(100));
      for (EngineHost* host : {&client_, &gateway_}) {
        if (host->engine->PollTimeout() <= now().boot) {
          host->engine->HandleTimeout(now());
        }
        host->engine->FlushPending(now());
      }
      Settle();
    }
  }
  void Connect() {
    client_.SendFromTun(BuildPacket({}), now());
    Settle();
    ASSERT_EQ(gateway_.tun.delivered.size(), 1U);
    gateway_.tun.delivered.clear();
  }
  static Bytes Answer(const PacketSpec& spec = {}) {
    PacketSpec back = spec;
    std::swap(back.source, back.destination);
    std::swap(back.source_port, back.destination_port);
    return BuildPacket(back);
  }

  VirtualTime time_;
  EngineHost client_;
  EngineHost gateway_;
};

}  // namespace adit::testing
