#include "tests/controlplane/model/model_fixture.h"

namespace adit::model {
namespace {

using ::testing::HasSubstr;

class StoredStates : public ModelFixture {
 protected:
  StoredStates() {
    AddNode("gw");
    AddPeer("alice");
    AddResource("wiki", "10.0.0.1");
    AddPolicy("p", {"alice"}, {"wiki"});
    stored_ = {state_.epoch(),
               state_.revision(),
               {*state_.FindNode("gw")},
               {*state_.FindPeer("alice")},
               {*state_.FindResource("wiki")},
               {*state_.FindPolicy("p")}};
  }
  absl::Status Load() { return State::Create(Network{}, stored_).status(); }

  StoredState stored_;
};

TEST_F(StoredStates, LoadToTheSameState) {
  const State loaded = State::Create(Network{}, stored_).value();
  EXPECT_EQ(loaded.revision(), state_.revision());
  EXPECT_EQ(loaded.epoch(), state_.epoch());
  EXPECT_EQ(*loaded.FindPeer("alice"), *state_.FindPeer("alice"));
  EXPECT_EQ(loaded.PoliciesOfPeer("alice"), state_.PoliciesOfPeer("alice"));
  EXPECT_EQ(loaded.NextAddresses()->v4.ToString(), "100.64.0.3");
}

TEST_F(StoredStates, OfOtherTunnelRangesAreRefusedWithTheRemedy) {
  Network other;
  other.v4 = IpPrefix::Parse("10.200.0.0/16").value();
  const absl::Status status = State::Create(other, stored_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(MessageOf(status), HasSubstr("start with the ranges that this store was made with"));
}

TEST_F(StoredStates, ThatContradictThemselvesAreRefused) {
  const StoredState good = stored_;
  const auto expect_refused = [&] {
    EXPECT_EQ(Load().code(), absl::StatusCode::kDataLoss) << Load();
    stored_ = good;
  };
  ASSERT_TRUE(Load().ok());
  stored_.nodes.push_back(stored_.nodes[0]);
  expect_refused();
  stored_.peers[0].addresses = stored_.nodes[0].addresses;
  expect_refused();
  stored_.peers[0].public_key = stored_.nodes[0].public_key;
  expect_refused();
  stored_.peers[0].node = "other";
  expect_refused();
  stored_.resources[0].node = "other";
  expect_refused();
  stored_.resources[0].cidrs.clear();
  expect_refused();
  stored_.resources[0].allow_all = false;
  expect_refused();
  stored_.policies[0].peers = {"bob"};
  expect_refused();
  stored_.policies[0].resources.clear();
  expect_refused();
}

TEST_F(StoredStates, CopiesAreIndependent) {
  State copy = state_;
  ApplyChange(copy, DeletePeer(copy, "alice", "").value());
  EXPECT_EQ(copy.FindPeer("alice"), nullptr);
  EXPECT_NE(state_.FindPeer("alice"), nullptr);
}

}  // namespace
}  // namespace adit::model
