#include "dataplane/rpc/peer_watch.h"

#include <gtest/gtest.h>

namespace adit::rpc {
namespace {

class PeerWatchTest : public ::testing::Test {
 protected:
  std::vector<Outgoing> Look() {
    std::vector<Outgoing> events;
    watch_.Compare({report_}, now_, events);
    now_ = now_ + seconds(1);
    return events;
  }

  PeerWatch watch_;
  WallTime now_{seconds(1'700'000'000)};
  engine::PeerReport report_;
};

TEST_F(PeerWatchTest, TellsSessionsAndPathsThatChanged) {
  EXPECT_TRUE(Look().empty());
  report_.last_handshake = now_;
  report_.endpoint = Endpoint::Parse("192.0.2.1:51820");
  std::vector<Outgoing> events = Look();
  ASSERT_EQ(events.size(), 2U);
  EXPECT_TRUE(events[0].event().has_session_up());
  EXPECT_EQ(events[1].event().path_changed().endpoint(), "192.0.2.1:51820");
  EXPECT_TRUE(Look().empty());
  now_ = now_ + seconds(180);
  events = Look();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_TRUE(events[0].event().has_session_down());
}

TEST_F(PeerWatchTest, TellsEveryTimeThatTrainsArriveGarbled) {
  EXPECT_TRUE(Look().empty());
  for (int time = 0; time < 2; ++time) {
    ++report_.garbled_trains;
    const std::vector<Outgoing> events = Look();
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].event().fault().code(), "TRAINS_GARBLED");
    EXPECT_NE(events[0].event().fault().text().find(report_.public_key.ToBase64()),
              std::string::npos);
    EXPECT_TRUE(Look().empty());
  }
}

}  // namespace
}  // namespace adit::rpc
