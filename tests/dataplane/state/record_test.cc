#include "dataplane/state/record.h"

#include <fcntl.h>

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/unique_fd.h"
#include "tests/dataplane/state/temp_directory.h"

namespace adit::state {
namespace {

constexpr char kPurpose[] = "test records";
constexpr FileId kId = {1, 2, 3};

std::string MakeFile(const std::vector<std::string>& bodies) {
  RecordPlace place = RecordPlace::First(kPurpose);
  std::string file = EncodeRecord(place, 1, "header");
  place.Bind(kId);
  for (const std::string& body : bodies) {
    file += EncodeRecord(place, 2, body);
  }
  return file;
}

struct ReadBack {
  std::vector<std::string> bodies;
  RecordReader::Result end = RecordReader::Result::kError;
  std::uint64_t offset = 0;
};

ReadBack Read(const std::string& content, const std::string& purpose = kPurpose) {
  const TempDirectory directory;
  WriteFileOf(directory.File("f"), content);
  const UniqueFd fd(open(directory.File("f").c_str(), O_RDONLY));
  RecordReader reader(fd.get(), purpose);
  ReadBack back;
  std::string body;
  std::uint32_t tag = 0;
  while ((back.end = reader.Next(tag, body)) == RecordReader::Result::kRecord) {
    if (tag == 1) {
      reader.place().Bind(kId);
    } else {
      back.bodies.push_back(body);
    }
  }
  back.offset = reader.offset();
  return back;
}

TEST(Record, ComesBackAsItWasWritten) {
  const std::vector<std::string> bodies = {"", "a", std::string(100'000, 'x')};
  const ReadBack back = Read(MakeFile(bodies));
  EXPECT_EQ(back.bodies, bodies);
  EXPECT_EQ(back.end, RecordReader::Result::kEnd);
}

TEST(Record, IsTornWhereverTheFileEndsInsideIt) {
  const std::string one = MakeFile({"first"});
  const std::string two = MakeFile({"first", "second"});
  for (std::size_t size = one.size() + 1; size < two.size(); ++size) {
    const ReadBack back = Read(two.substr(0, size));
    EXPECT_EQ(back.end, RecordReader::Result::kTorn) << size;
    EXPECT_EQ(back.bodies, std::vector<std::string>{"first"});
    EXPECT_EQ(back.offset, one.size());
  }
}

TEST(Record, IsCorruptAndNeverTornOrDifferentWhateverBitFlips) {
  const std::string good = MakeFile({"first", "second"});
  for (std::size_t i = 0; i < good.size() * 8; ++i) {
    std::string bad = good;
    bad[i / 8] = static_cast<char>(bad[i / 8] ^ (1 << (i % 8)));
    EXPECT_EQ(Read(bad).end, RecordReader::Result::kCorrupt) << "bit " << i;
  }
}

TEST(Record, IsCorruptAtAnotherPlaceOrInAnotherFile) {
  RecordPlace place = RecordPlace::First(kPurpose);
  const std::string header = EncodeRecord(place, 1, "header");
  place.Bind(kId);
  const std::string first = EncodeRecord(place, 2, "first");
  const std::string second = EncodeRecord(place, 2, "second");
  EXPECT_EQ(Read(header + second + first).end, RecordReader::Result::kCorrupt);
  EXPECT_EQ(Read(header + first + first).end, RecordReader::Result::kCorrupt);
  EXPECT_EQ(Read(header + first + second, "something else").end, RecordReader::Result::kCorrupt);
}

}  // namespace
}  // namespace adit::state
