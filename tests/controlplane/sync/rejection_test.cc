#include "controlplane/sync/node_sync.h"
#include "tests/controlplane/sync/sync_fixture.h"

namespace adit::sync {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using State = Outcome::State;

class Rejections : public SyncFixture {
 protected:
  void SetUp() override {
    Connect();
    Run();
  }
  std::vector<ObjectId> Rejected() {
    std::vector<ObjectId> ids;
    for (const Rejection& rejection : sync_.rejections()) {
      ids.push_back(rejection.object);
    }
    return ids;
  }
};

TEST_F(Rejections, DoNotHoldUpTheRestOfTheUpdate) {
  Change({{PeerNumber(1), "a"}});
  Run();
  // A revocation together with something that cannot be accepted.
  Change({{PeerNumber(2), "b!"}}, {PeerNumber(1)});
  EXPECT_EQ(Run(), 2);
  EXPECT_EQ(plane_.objects, (Objects{{model::InterfaceId(), "i"}}));
  EXPECT_EQ(plane_.revision, 3U);
  EXPECT_EQ(sync_.settled_revision(), 3U);
  const Outcome outcome = sync_.OutcomeFor(3, std::vector<ObjectId>{PeerNumber(1), PeerNumber(2)});
  EXPECT_EQ(outcome.state, State::kRejected);
  ASSERT_EQ(outcome.rejections.size(), 1U);
  EXPECT_EQ(outcome.rejections[0].object, PeerNumber(2));
  EXPECT_EQ(outcome.rejections[0].code, "MALFORMED");
}

TEST_F(Rejections, ALaterRevocationIsOneMessage) {
  Change({{PeerNumber(1), "a"}, {PeerNumber(2), "b!"}});
  Run();
  Change({}, {PeerNumber(1)});
  EXPECT_EQ(Run(), 1);
  EXPECT_EQ(StateOf(3, {PeerNumber(1)}), State::kAcked);  // the old refusal is not this change's
  EXPECT_EQ(plane_.objects.count(PeerNumber(1)), 0U);
}

TEST_F(Rejections, TakeAwayAnOlderVersionThatIsHeld) {
  Change({{PeerNumber(1), "a"}});
  Run();
  Change({{PeerNumber(1), "a!"}});
  EXPECT_EQ(Run(), 2);
  EXPECT_EQ(plane_.objects.count(PeerNumber(1)), 0U);
}

TEST_F(Rejections, WithholdTheGrantsThatNeedTheObject) {
  Change({{PeerNumber(1), "a"}, {Wiki(), "w"}, {GrantOf(1, "wiki"), "g"}});
  Run();
  EXPECT_EQ(plane_.objects.size(), 4U);
  Change({{Wiki(), "w!"}});
  EXPECT_EQ(Run(), 2);
  EXPECT_EQ(plane_.objects.count(GrantOf(1, "wiki")), 0U);
  EXPECT_THAT(Rejected(), ElementsAre(Wiki()));
  // Who grants what needs it is told why nothing passes.
  Change({{GrantOf(1, "wiki"), "g2"}});
  EXPECT_EQ(Run(), 0);
  const auto outcome = sync_.OutcomeFor(4, std::vector{GrantOf(1, "wiki")});
  EXPECT_EQ(outcome.state, State::kRejected);
  EXPECT_EQ(outcome.rejections.at(0).object, Wiki());
  Change({{Wiki(), "w2"}});
  EXPECT_EQ(Run(), 1);
  EXPECT_EQ(plane_.objects.at(GrantOf(1, "wiki")), "g2");
  EXPECT_THAT(Rejected(), IsEmpty());
}

TEST_F(Rejections, OfAPeerWithholdItsGrantsOnly) {
  Change({{PeerNumber(1), "a!"},
          {PeerNumber(2), "b"},
          {Wiki(), "w"},
          {GrantOf(1, "wiki"), "g"},
          {GrantOf(2, "wiki"), "g"}});
  Run();
  EXPECT_EQ(plane_.objects.count(GrantOf(1, "wiki")), 0U);
  EXPECT_EQ(plane_.objects.count(GrantOf(2, "wiki")), 1U);
  Change({}, {PeerNumber(1), GrantOf(1, "wiki")});
  EXPECT_EQ(Run(), 0);
  EXPECT_THAT(Rejected(), IsEmpty());
  EXPECT_EQ(sync_.settled_revision(), 3U);
}

TEST_F(Rejections, InASnapshotAreAnsweredByASnapshotWithoutThem) {
  sync_.HandleDisconnected(now_);
  Change({{PeerNumber(1), "a!"}, {PeerNumber(2), "b"}});
  plane_ = ModelDataPlane();
  Connect();
  EXPECT_EQ(Run(), 2);
  EXPECT_EQ(plane_.objects, (Objects{{model::InterfaceId(), "i"}, {PeerNumber(2), "b"}}));
  EXPECT_THAT(Rejected(), ElementsAre(PeerNumber(1)));
}

TEST_F(Rejections, AreTriedAgainWhenTheObjectChanges) {
  Change({{PeerNumber(1), "a!"}});
  Run();
  Change({{PeerNumber(1), "a"}});
  EXPECT_EQ(Run(), 1);
  EXPECT_EQ(plane_.objects.at(PeerNumber(1)), "a");
  EXPECT_EQ(StateOf(3, {PeerNumber(1)}), State::kAcked);
}

TEST_F(Rejections, AreTriedAgainWhenTheNodeConnects) {
  Change({{PeerNumber(1), "a!"}});
  Run();
  sync_.HandleDisconnected(now_);
  Connect();
  const auto delta = PollOne<Delta>();
  EXPECT_THAT(delta.upserts, ElementsAre(Object{PeerNumber(1), "a!"}));
}

TEST_F(Rejections, AreTriedAgainWithAChangeOfTheirCure) {
  Change({{PeerNumber(1), "a"}});
  Run();
  Change({{PeerNumber(2), "a"}});  // the address of the first
  EXPECT_EQ(Run(), 1);             // without it nothing is left to send
  EXPECT_EQ(sync_.settled_revision(), 3U);
  EXPECT_THAT(Rejected(), ElementsAre(PeerNumber(2)));
  Change({{PeerNumber(3), "c"}});  // no cure
  EXPECT_EQ(Run(), 1);
  EXPECT_THAT(Rejected(), ElementsAre(PeerNumber(2)));
  Change({}, {PeerNumber(1)});
  EXPECT_EQ(Run(), 1);
  EXPECT_EQ(plane_.objects.at(PeerNumber(2)), "a");
  EXPECT_THAT(Rejected(), IsEmpty());
}

TEST_F(Rejections, AreTriedAgainWhenTheirCureIsRejected) {
  Change({{PeerNumber(1), "a"}});
  Change({{PeerNumber(2), "a"}});
  Run();
  ASSERT_THAT(Rejected(), ElementsAre(PeerNumber(2)));
  Change({{PeerNumber(1), "a!"}});
  Run();
  EXPECT_EQ(plane_.objects.count(PeerNumber(1)), 0U);
  EXPECT_EQ(plane_.objects.at(PeerNumber(2)), "a");
}

TEST_F(Rejections, OfAVersionThatHasChangedSinceDoNotCount) {
  Change({{PeerNumber(1), "a!"}});
  const auto delta = PollOne<Delta>();
  Change({{PeerNumber(1), "a"}});
  Handle(*plane_.Receive(delta));
  EXPECT_THAT(Rejected(), IsEmpty());
  EXPECT_EQ(Run(), 1);
  EXPECT_EQ(plane_.objects.at(PeerNumber(1)), "a");
}

TEST_F(Rejections, WhoseCureHasChangedSinceDoNotCount) {
  Change({{PeerNumber(1), "a"}});
  Run();
  Change({{PeerNumber(2), "a"}});  // the address of the first
  const auto delta = PollOne<Delta>();
  Change({}, {PeerNumber(1)});
  Handle(*plane_.Receive(delta));
  EXPECT_THAT(Rejected(), IsEmpty());
  EXPECT_EQ(Run(), 1);
  EXPECT_EQ(plane_.objects.count(PeerNumber(1)), 0U);
  EXPECT_EQ(plane_.objects.at(PeerNumber(2)), "a");
}

TEST_F(Rejections, OfWhatWaitsForAnObjectThatIsSentAgainDoNotCount) {
  sync_.HandleDisconnected(now_);
  Change({{PeerNumber(1), "a"}, {PeerNumber(2), "a"}, {Wiki(), "w"}, {GrantOf(2, "wiki"), "g"}});
  plane_ = ModelDataPlane();
  Connect();
  const auto snapshot = PollOne<SnapshotChunk>();
  Change({{PeerNumber(1), "b"}});  // cures the second peer, and with it the grant
  Handle(*plane_.Receive(snapshot));
  EXPECT_THAT(Rejected(), IsEmpty());
  EXPECT_EQ(Run(), 1);
  EXPECT_EQ(plane_.objects.at(GrantOf(2, "wiki")), "g");
}

TEST_F(Rejections, OfWhatWasNotSentAreNoReason) {
  Change({{PeerNumber(1), "a"}});
  const auto delta = PollOne<Delta>();
  Nack nack;
  nack.nonce = delta.nonce;
  nack.rejections = {{model::InterfaceId(), "", "X", "", {}}, {PeerNumber(9), "", "X", "", {}}};
  Handle(nack);
  EXPECT_THAT(Rejected(), IsEmpty());
  EXPECT_THAT(Poll(), IsEmpty());
  EXPECT_NE(sync_.problem(), "");
  Advance(seconds(5));
  Run();
  EXPECT_EQ(plane_.objects.at(PeerNumber(1)), "a");
}

TEST_F(Rejections, WithoutEndDoNotKeepTheHubBusy) {
  // A hostile data plane: each of two is refused for the sake of the other, in turn.
  Change({{PeerNumber(1), "a"}, {PeerNumber(2), "b"}});
  int updates = 0;
  for (auto message = sync_.PollMessage(now_); message; message = sync_.PollMessage(now_)) {
    ++updates;
    ASSERT_LT(updates, 1'000);
    const auto& delta = std::get<Delta>(*message);
    const ObjectId refused = delta.upserts.at(0).id;
    const ObjectId other = refused == PeerNumber(1) ? PeerNumber(2) : PeerNumber(1);
    Nack nack;
    nack.nonce = delta.nonce;
    nack.rejections = {{refused, "", "X", "", {other}}};
    Handle(nack);
  }
  EXPECT_GT(updates, 60);
  EXPECT_NE(sync_.next_deadline(), Instant::Max());
}

}  // namespace
}  // namespace adit::sync
