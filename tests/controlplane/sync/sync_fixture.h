#pragma once

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controlplane/sync/node_sync.h"
#include "tests/controlplane/sync/model_data_plane.h"

namespace adit::sync {

inline PublicKey KeyNumber(std::uint8_t number) {
  std::array<std::uint8_t, kKeySize> bytes{};
  bytes[0] = number;
  return PublicKey(bytes);
}
inline ObjectId PeerNumber(std::uint8_t number) { return model::PeerId(KeyNumber(number)); }
inline ObjectId GrantOf(std::uint8_t peer, std::string_view resource) {
  return model::GrantId(KeyNumber(peer), resource);
}
inline ObjectId Wiki() { return model::ResourceId("wiki"); }

// One NodeSync and one model data plane, with the messages between them in the test's hands.
class SyncFixture : public ::testing::Test {
 protected:
  SyncFixture() { sync_.HandleViewChange(1, {{model::InterfaceId(), "i"}}, {}, now_); }

  void Change(std::vector<Object> upserts, std::vector<ObjectId> removals = {}) {
    sync_.HandleViewChange(sync_.revision() + 1, std::move(upserts), removals, now_);
  }
  void Connect() {
    plane_.Connect();
    ASSERT_TRUE(sync_.HandleHello(plane_.MakeHello(), now_).ok());
  }
  std::vector<Message> Poll() {
    std::vector<Message> messages;
    while (auto message = sync_.PollMessage(now_)) {
      messages.push_back(*std::move(message));
    }
    return messages;
  }
  // The update that is next to be sent, alone.
  template <typename T>
  T PollOne() {
    std::vector<Message> messages = Poll();
    EXPECT_EQ(messages.size(), 1U);
    const bool is_expected = messages.size() == 1 && std::holds_alternative<T>(messages[0]);
    EXPECT_TRUE(is_expected);
    return is_expected ? std::get<T>(std::move(messages[0])) : T{};
  }
  void Handle(const Answer& answer) {
    if (const auto* ack = std::get_if<Ack>(&answer)) {
      sync_.HandleAck(*ack, now_);
    } else {
      sync_.HandleNack(std::get<Nack>(answer), now_);
    }
  }
  // Delivers everything both ways until nothing is left to send. The number of updates delivered.
  int Run() {
    int updates = 0;
    for (std::vector<Message> messages = Poll(); !messages.empty(); messages = Poll()) {
      for (const Message& message : messages) {
        std::optional<Answer> answer;
        if (const auto* chunk = std::get_if<SnapshotChunk>(&message)) {
          answer = plane_.Receive(*chunk);
        } else if (const auto* delta = std::get_if<Delta>(&message)) {
          answer = plane_.Receive(*delta);
        }
        if (answer) {
          ++updates;
          Handle(*answer);
        }
      }
    }
    return updates;
  }
  void Advance(Duration duration) {
    now_.boot = now_.boot + duration;
    now_.wall = now_.wall + duration;
    sync_.HandleTick(now_);
  }
  Outcome::State StateOf(std::uint64_t revision, std::vector<ObjectId> changed) {
    return sync_.OutcomeFor(revision, changed).state;
  }

  Now now_{Instant(seconds(100)), WallTime(seconds(1'700'000'000))};
  const std::string epoch_ = std::string(16, 'e');
  NodeSync sync_{epoch_, now_};
  ModelDataPlane plane_;
};

}  // namespace adit::sync
