#include "dataplane/rpc/snapshot_assembler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/dataplane/rpc/objects.h"

namespace adit::rpc {
namespace {

using testing::Peer;
namespace pb = ::adit::dataplane::v1;

class SnapshotAssemblerTest : public ::testing::Test {
 protected:
  static pb::Snapshot Chunk(std::uint32_t number, std::uint32_t count) {
    pb::Snapshot chunk;
    chunk.set_nonce(9);
    chunk.set_epoch("epoch");
    chunk.set_revision(4);
    chunk.set_chunk(number);
    chunk.set_chunk_count(count);
    chunk.set_digest("digest");
    testing::FillObject(Peer(static_cast<int>(number), {}), *chunk.add_objects());
    return chunk;
  }
  // Nothing wrong, more to come.
  bool Goes(pb::Snapshot chunk) {
    const auto result = assembler_.Add(std::move(chunk));
    return !result.whole && !result.refusal;
  }

  Limits limits_ = testing::TestLimits();
  SnapshotAssembler assembler_{limits_};
};

TEST_F(SnapshotAssemblerTest, GivesTheWholeAtTheLastChunk) {
  EXPECT_TRUE(Goes(Chunk(0, 3)));
  EXPECT_TRUE(Goes(Chunk(1, 3)));
  const auto result = assembler_.Add(Chunk(2, 3));
  ASSERT_TRUE(result.whole);
  EXPECT_EQ(result.whole->epoch, "epoch");
  EXPECT_EQ(result.whole->revision, 4U);
  EXPECT_EQ(result.whole->digest, "digest");
  ASSERT_EQ(result.whole->objects.size(), 3U);
  EXPECT_EQ(result.whole->objects[2].key, testing::KeyBytes(2));
}

TEST_F(SnapshotAssemblerTest, BeginsAnewWithAFirstChunk) {
  EXPECT_TRUE(Goes(Chunk(0, 3)));
  EXPECT_TRUE(assembler_.Add(Chunk(0, 1)).whole);
  EXPECT_TRUE(assembler_.Add(Chunk(1, 3)).refusal);
}

TEST_F(SnapshotAssemblerTest, RefusesChunksThatDoNotFollow) {
  EXPECT_TRUE(assembler_.Add(Chunk(1, 3)).refusal->needs_snapshot);
  EXPECT_TRUE(assembler_.Add(Chunk(3, 3)).refusal->needs_snapshot);
  EXPECT_TRUE(assembler_.Add(Chunk(0, 0)).refusal->needs_snapshot);
  EXPECT_TRUE(Goes(Chunk(0, 3)));
  EXPECT_TRUE(assembler_.Add(Chunk(2, 3)).refusal);
  EXPECT_TRUE(assembler_.Add(Chunk(1, 3)).refusal) << "the snapshot has ended";
}

TEST_F(SnapshotAssemblerTest, RefusesChunksThatDoNotAgree) {
  using Change = void (*)(pb::Snapshot&);
  const Change changes[] = {
      [](pb::Snapshot& s) { s.set_nonce(8); }, [](pb::Snapshot& s) { s.set_epoch("other"); },
      [](pb::Snapshot& s) { s.set_revision(5); }, [](pb::Snapshot& s) { s.set_chunk_count(2); },
      [](pb::Snapshot& s) { s.set_digest("other"); }};
  for (const Change change : changes) {
    EXPECT_TRUE(Goes(Chunk(0, 3)));
    pb::Snapshot chunk = Chunk(1, 3);
    change(chunk);
    EXPECT_TRUE(assembler_.Add(std::move(chunk)).refusal);
  }
}

TEST_F(SnapshotAssemblerTest, BoundsAChunkAndTheWhole) {
  pb::Snapshot chunk = Chunk(0, 3);
  testing::FillObject({kPeerKind, "k", std::string(2 << 20, 'x')}, *chunk.add_objects());
  EXPECT_FALSE(assembler_.Add(std::move(chunk)).refusal->needs_snapshot);
  limits_.max_state_bytes = 100;
  EXPECT_TRUE(Goes(Chunk(0, 3)));
  EXPECT_FALSE(assembler_.Add(Chunk(1, 3)).refusal->needs_snapshot);
}

}  // namespace
}  // namespace adit::rpc
