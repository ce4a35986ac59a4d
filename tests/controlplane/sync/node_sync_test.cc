#include "controlplane/sync/node_sync.h"

#include "common/status.h"
#include "tests/controlplane/sync/sync_fixture.h"

namespace adit::sync {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using State = Outcome::State;
using NodeSyncTest = SyncFixture;

TEST_F(NodeSyncTest, BeginsWithASnapshotOfTheWholeView) {
  Change({{PeerNumber(1), "a"}});
  Connect();
  const auto chunk = PollOne<SnapshotChunk>();
  EXPECT_EQ(chunk.epoch, epoch_);
  EXPECT_EQ(chunk.revision, 2U);
  EXPECT_EQ(chunk.chunk_count, 1U);
  EXPECT_THAT(chunk.objects,
              ElementsAre(Object{model::InterfaceId(), "i"}, Object{PeerNumber(1), "a"}));
  EXPECT_EQ(chunk.digest, DigestOf({{model::InterfaceId(), "i"}, {PeerNumber(1), "a"}}).bytes());
  Handle(*plane_.Receive(chunk));
  EXPECT_EQ(sync_.settled_revision(), 2U);
  EXPECT_THAT(Poll(), IsEmpty());
}

TEST_F(NodeSyncTest, AChangeIsADeltaFromWhatIsApplied) {
  Change({{PeerNumber(1), "a"}});
  Connect();
  Run();
  Change({{PeerNumber(2), "b"}}, {PeerNumber(1)});
  const auto delta = PollOne<Delta>();
  EXPECT_EQ(delta.from, 2U);
  EXPECT_EQ(delta.to, 3U);
  EXPECT_THAT(delta.removals, ElementsAre(PeerNumber(1)));
  EXPECT_THAT(delta.upserts, ElementsAre(Object{PeerNumber(2), "b"}));
  Advance(milliseconds(3));
  Handle(*plane_.Receive(delta));
  EXPECT_EQ(sync_.answered_in(), milliseconds(3));
  EXPECT_EQ(plane_.objects, (Objects{{model::InterfaceId(), "i"}, {PeerNumber(2), "b"}}));
}

TEST_F(NodeSyncTest, AChangeElsewhereCountsWithoutAMessage) {
  Connect();
  Run();
  EXPECT_TRUE(sync_.PollProgress());
  Change({});
  EXPECT_THAT(Poll(), IsEmpty());
  EXPECT_EQ(sync_.settled_revision(), 2U);
  EXPECT_TRUE(sync_.PollProgress());
  EXPECT_FALSE(sync_.PollProgress());
  // The next delta still starts at what the data plane has.
  Change({{PeerNumber(1), "a"}});
  EXPECT_EQ(PollOne<Delta>().from, 1U);
}

TEST_F(NodeSyncTest, OneUpdateIsInFlightAndLaterChangesCoalesce) {
  Connect();
  Run();
  Change({{PeerNumber(1), "a"}});
  const auto first = PollOne<Delta>();
  Change({{PeerNumber(1), "a2"}, {PeerNumber(2), "b"}});
  Change({{PeerNumber(3), "c"}}, {PeerNumber(2)});
  Change({{PeerNumber(3), "c2"}});
  EXPECT_THAT(Poll(), IsEmpty());
  Handle(*plane_.Receive(first));
  EXPECT_EQ(sync_.settled_revision(), 2U);
  const auto second = PollOne<Delta>();
  EXPECT_EQ(second.from, 2U);
  EXPECT_EQ(second.to, 5U);
  EXPECT_THAT(second.removals, IsEmpty());
  EXPECT_THAT(second.upserts,
              ElementsAre(Object{PeerNumber(1), "a2"}, Object{PeerNumber(3), "c2"}));
  Handle(*plane_.Receive(second));
  EXPECT_EQ(sync_.settled_revision(), 5U);
}

TEST_F(NodeSyncTest, AChangeThatIsTakenBackNeedsNoMessage) {
  Connect();
  Run();
  Change({{PeerNumber(1), "a"}});
  Run();
  Change({{PeerNumber(2), "b"}});
  const auto first = PollOne<Delta>();
  Change({{PeerNumber(1), "a2"}});
  Change({{PeerNumber(1), "a"}});
  Handle(*plane_.Receive(first));
  EXPECT_THAT(Poll(), IsEmpty());
  EXPECT_EQ(sync_.settled_revision(), 5U);
}

TEST_F(NodeSyncTest, ASnapshotComesInBoundedChunks) {
  SyncLimits limits;
  limits.chunk_bytes = 4'096;
  NodeSync sync(epoch_, now_, limits);
  std::vector<Object> objects;
  for (std::uint8_t i = 0; i < 100; ++i) {
    objects.push_back(
        {PeerNumber(i), std::string(1, static_cast<char>(100 + i)) + std::string(100, 'x')});
  }
  objects.push_back({Wiki(), std::string(10'000, 'y')});  // larger than a chunk: alone in its own
  sync.HandleViewChange(7, objects, {}, now_);
  ASSERT_TRUE(sync.HandleHello({}, now_).ok());
  std::uint32_t next = 0;
  std::optional<Answer> answer;
  while (auto message = sync.PollMessage(now_)) {
    const auto& chunk = std::get<SnapshotChunk>(*message);
    EXPECT_EQ(chunk.chunk, next++);
    std::size_t size = 0;
    for (const Object& object : chunk.objects) {
      size += object.id.key.size() + object.body.size();
    }
    EXPECT_TRUE(size <= 4'096 || chunk.objects.size() == 1);
    answer = plane_.Receive(chunk);
    EXPECT_EQ(answer.has_value(), next == chunk.chunk_count);
  }
  EXPECT_GE(next, 4U);
  sync.HandleAck(std::get<Ack>(*answer), now_);
  EXPECT_EQ(sync.settled_revision(), 7U);
  EXPECT_EQ(plane_.objects.size(), 101U);
}

TEST_F(NodeSyncTest, AChangeTooLargeForAMessageIsASnapshot) {
  Connect();
  Run();
  Change({{Wiki(), std::string(1'100'000, 'y')}});
  const std::vector<Message> messages = Poll();
  ASSERT_EQ(messages.size(), 2U);
  EXPECT_EQ(std::get<SnapshotChunk>(messages[0]).chunk_count, 2U);
}

TEST_F(NodeSyncTest, ChangesDuringASnapshotFollowAsADelta) {
  Change({{PeerNumber(1), "a"}, {PeerNumber(2), "b"}});
  Connect();
  const auto chunk = PollOne<SnapshotChunk>();
  Change({{PeerNumber(3), "c"}}, {PeerNumber(1)});
  EXPECT_THAT(Poll(), IsEmpty());
  Handle(*plane_.Receive(chunk));
  const auto delta = PollOne<Delta>();
  EXPECT_THAT(delta.removals, ElementsAre(PeerNumber(1)));
  Handle(*plane_.Receive(delta));
  EXPECT_EQ(sync_.settled_revision(), 3U);
}

TEST_F(NodeSyncTest, ResumesWithNothingWhenNothingChanged) {
  Connect();
  Run();
  sync_.HandleDisconnected(now_);
  Change({});
  Connect();
  EXPECT_THAT(Poll(), IsEmpty());
  EXPECT_EQ(sync_.settled_revision(), 2U);
}

TEST_F(NodeSyncTest, ResumesWithADeltaOfWhatChangedMeanwhile) {
  Connect();
  Run();
  sync_.HandleDisconnected(now_);
  Change({{PeerNumber(1), "a"}});
  EXPECT_THAT(Poll(), IsEmpty());
  Connect();
  EXPECT_THAT(PollOne<Delta>().upserts, ElementsAre(Object{PeerNumber(1), "a"}));
}

TEST_F(NodeSyncTest, ResumesFromAnUpdateWhoseAckWasLost) {
  Connect();
  Run();
  Change({{PeerNumber(1), "a"}});
  plane_.Receive(PollOne<Delta>());
  sync_.HandleDisconnected(now_);
  Change({{PeerNumber(2), "b"}});
  Connect();
  const auto delta = PollOne<Delta>();
  EXPECT_EQ(delta.from, 2U);
  EXPECT_THAT(delta.upserts, ElementsAre(Object{PeerNumber(2), "b"}));
}

TEST_F(NodeSyncTest, ResumesAfterAnUpdateThatDidNotArrive) {
  Connect();
  Run();
  Change({{PeerNumber(1), "a"}});
  Poll();
  sync_.HandleDisconnected(now_);
  Connect();
  EXPECT_EQ(PollOne<Delta>().from, 1U);
}

TEST_F(NodeSyncTest, ResumesFromASnapshotWhoseAckWasLost) {
  Connect();
  plane_.Receive(PollOne<SnapshotChunk>());
  sync_.HandleDisconnected(now_);
  Change({{PeerNumber(1), "a"}});
  Connect();
  EXPECT_EQ(PollOne<Delta>().from, 1U);
}

TEST_F(NodeSyncTest, AHubThatRestartedRecognizesWhatItWouldSend) {
  Change({{PeerNumber(1), "a"}});
  Connect();
  Run();
  NodeSync restarted(epoch_, now_);
  restarted.HandleViewChange(9, {{model::InterfaceId(), "i"}, {PeerNumber(1), "a"}}, {}, now_);
  ASSERT_TRUE(restarted.HandleHello(plane_.MakeHello(), now_).ok());
  EXPECT_EQ(restarted.PollMessage(now_), std::nullopt);
  EXPECT_EQ(restarted.settled_revision(), 9U);
  restarted.HandleViewChange(10, {}, std::vector{PeerNumber(1)}, now_);
  EXPECT_EQ(std::get<Delta>(*restarted.PollMessage(now_)).from, 2U);
}

TEST_F(NodeSyncTest, AnotherEpochRevisionOrDigestMeansASnapshot) {
  Connect();
  Run();
  for (int field = 0; field < 3; ++field) {
    Hello hello = plane_.MakeHello();
    if (field == 0) {
      hello.epoch = std::string(16, 'f');
    } else if (field == 1) {
      hello.applied_revision = 0;
      hello.digest = "";
    } else {
      hello.digest[0] = static_cast<char>(~hello.digest[0]);
    }
    ASSERT_TRUE(sync_.HandleHello(hello, now_).ok());
    PollOne<SnapshotChunk>();
  }
}

TEST_F(NodeSyncTest, ADataPlaneAheadOfTheStoreIsRefusedWithTheRemedy) {
  Hello hello;
  hello.epoch = epoch_;
  hello.applied_revision = 2;
  const absl::Status status = sync_.HandleHello(hello, now_);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(MessageOf(status), HasSubstr("older copy of the store"));
  EXPECT_FALSE(sync_.is_connected());
  EXPECT_THAT(Poll(), IsEmpty());
}

TEST_F(NodeSyncTest, ANackThatNeedsASnapshotGetsOneAtOnce) {
  Connect();
  Run();
  Change({{PeerNumber(1), "a"}});
  plane_.objects.clear();  // the digest will not match
  EXPECT_EQ(Run(), 2);
  EXPECT_EQ(plane_.objects.size(), 2U);
  EXPECT_EQ(sync_.settled_revision(), 2U);
}

TEST_F(NodeSyncTest, AnAckOfAnotherStateMeansASnapshot) {
  Connect();
  Run();
  Change({{PeerNumber(1), "a"}});
  Ack ack = std::get<Ack>(*plane_.Receive(PollOne<Delta>()));
  ack.digest[0] = static_cast<char>(~ack.digest[0]);
  Handle(ack);
  EXPECT_EQ(sync_.settled_revision(), 1U);
  Ack lie = std::get<Ack>(*plane_.Receive(PollOne<SnapshotChunk>()));
  lie.revision = 77;
  Handle(lie);
  EXPECT_THAT(Poll(), IsEmpty());  // not at once again: it would go on for ever
  EXPECT_THAT(sync_.problem(), HasSubstr("another state"));
  Advance(seconds(5));
  EXPECT_EQ(Poll().size(), 2U);  // a snapshot and a ping
}

TEST_F(NodeSyncTest, AnswersToWhatIsNotInFlightAreIgnored) {
  Connect();
  const auto chunk = PollOne<SnapshotChunk>();
  const Answer ack = *plane_.Receive(chunk);
  Handle(Ack{chunk.nonce + 1, 1, chunk.digest});
  Handle(Nack{chunk.nonce + 1, 1, {}, true, ""});
  EXPECT_THAT(Poll(), IsEmpty());
  EXPECT_EQ(sync_.settled_revision(), 0U);
  Handle(ack);
  Handle(ack);
  Handle(Nack{chunk.nonce, 1, {}, true, ""});
  EXPECT_EQ(sync_.settled_revision(), 1U);
  EXPECT_THAT(Poll(), IsEmpty());
}

TEST_F(NodeSyncTest, AnAckBeforeTheLastChunkIsNotBelieved) {
  SyncLimits limits;
  limits.chunk_bytes = 40;
  NodeSync sync(epoch_, now_, limits);
  sync.HandleViewChange(1, {{PeerNumber(1), "a"}, {PeerNumber(2), "b"}}, {}, now_);
  ASSERT_TRUE(sync.HandleHello({}, now_).ok());
  const auto chunk = std::get<SnapshotChunk>(*sync.PollMessage(now_));
  sync.HandleAck({chunk.nonce, 1, chunk.digest}, now_);
  EXPECT_EQ(sync.settled_revision(), 0U);
}

TEST_F(NodeSyncTest, OutcomesTellPendingAckedAndOffline) {
  EXPECT_EQ(StateOf(1, {}), State::kOffline);
  EXPECT_EQ(sync_.since(), now_.wall);
  Connect();
  EXPECT_EQ(StateOf(1, {}), State::kPending);
  Run();
  EXPECT_EQ(StateOf(1, {}), State::kAcked);
  Advance(seconds(1));
  Change({{PeerNumber(1), "a"}});
  EXPECT_EQ(StateOf(2, {PeerNumber(1)}), State::kPending);
  sync_.HandleDisconnected(now_);
  EXPECT_TRUE(sync_.PollProgress());
  EXPECT_EQ(StateOf(2, {PeerNumber(1)}), State::kOffline);
  EXPECT_EQ(StateOf(1, {}), State::kAcked);  // it was, before it went
  EXPECT_EQ(sync_.since(), now_.wall);
}

TEST_F(NodeSyncTest, ClosesASessionThatDoesNotAnswerAnUpdate) {
  Connect();
  Poll();
  EXPECT_LE(sync_.next_deadline(), now_.boot + seconds(10));
  Advance(seconds(9));
  const auto ping = PollOne<Ping>();
  sync_.HandlePong(ping.nonce, now_);
  Advance(seconds(1));
  EXPECT_THAT(PollOne<Close>().reason, HasSubstr("no answer to the update to revision 1"));
  Advance(seconds(100));
  EXPECT_THAT(Poll(), IsEmpty());
  sync_.HandleDisconnected(now_);
  Connect();
  Run();
  EXPECT_EQ(sync_.settled_revision(), 1U);
}

TEST_F(NodeSyncTest, PingsAndClosesASessionThatIsSilent) {
  Connect();
  Run();
  EXPECT_EQ(sync_.next_deadline(), now_.boot + seconds(5));
  Advance(seconds(5));
  const auto ping = PollOne<Ping>();
  sync_.HandlePong(ping.nonce, now_);
  Advance(seconds(5));
  const auto second = PollOne<Ping>();
  EXPECT_NE(second.nonce, ping.nonce);
  sync_.HandlePong(ping.nonce, now_);  // of the first: does not count
  Advance(seconds(10));
  EXPECT_THAT(PollOne<Close>().reason, HasSubstr("ping"));
  EXPECT_EQ(sync_.next_deadline(), Instant::Max());
}

TEST_F(NodeSyncTest, AFullDiskIsTriedAgainLaterOrWithTheNextChange) {
  Connect();
  Run();
  plane_.is_full = true;
  Change({{PeerNumber(1), "a"}});
  EXPECT_EQ(Run(), 1);
  EXPECT_EQ(sync_.problem(), "no space left");
  EXPECT_EQ(StateOf(2, {PeerNumber(1)}), State::kRefused);
  EXPECT_LE(sync_.next_deadline(), now_.boot + seconds(5));
  Change({}, {model::InterfaceId()});
  // The refusal of the one before is none of it.
  EXPECT_EQ(StateOf(3, {model::InterfaceId()}), State::kPending);
  EXPECT_EQ(Run(), 1);
  EXPECT_EQ(StateOf(3, {model::InterfaceId()}), State::kRefused);
  plane_.is_full = false;
  Advance(seconds(5));
  EXPECT_EQ(Run(), 1);
  EXPECT_EQ(sync_.problem(), "");
  EXPECT_EQ(StateOf(3, {model::InterfaceId()}), State::kAcked);
  EXPECT_EQ(plane_.objects, (Objects{{PeerNumber(1), "a"}}));
}

TEST_F(NodeSyncTest, AFullDiskIsNoProblemOnceNothingIsLeftToApply) {
  Connect();
  Run();
  plane_.is_full = true;
  Change({{PeerNumber(1), "a"}});
  Run();
  ASSERT_NE(sync_.problem(), "");
  Change({}, {PeerNumber(1)});
  EXPECT_THAT(Poll(), IsEmpty());
  EXPECT_EQ(sync_.problem(), "");
  EXPECT_EQ(sync_.settled_revision(), 3U);
}

}  // namespace
}  // namespace adit::sync
