#include "dataplane/state/view_replay.h"

#include <fcntl.h>

#include <fmt/format.h>

#include "common/bytes.h"
#include "common/status.h"
#include "dataplane/state/encoding.h"

namespace adit::state {
namespace {

constexpr std::uint64_t kNoJournal = 0;

void AppendVersion(Encoder& encoder, const ViewVersion& version) {
  encoder.Bytes(version.epoch);
  encoder.U64(version.revision);
  encoder.Bytes(version.digest);
  encoder.I64(version.written_at.since_epoch().count());
  encoder.I64(version.hub_now.since_epoch().count());
}

ViewVersion TakeVersion(Decoder& decoder) {
  ViewVersion version;
  version.epoch = decoder.Bytes();
  version.revision = decoder.U64();
  version.digest = decoder.Bytes();
  version.written_at = WallTime(Duration(decoder.I64()));
  version.hub_now = WallTime(Duration(decoder.I64()));
  return version;
}

bool TakeFileId(Decoder& decoder, FileId& id) {
  const std::string_view bytes = decoder.Fixed(id.size());
  if (!decoder.ok()) {
    return false;
  }
  std::memcpy(id.data(), bytes.data(), id.size());
  return true;
}

}  // namespace

std::string JournalName(std::uint64_t generation) { return fmt::format("journal-{}", generation); }

std::string EncodeSnapshotHeader(const FileId& id, std::uint64_t journal,
                                 const ViewVersion& version, std::uint64_t objects) {
  Encoder encoder;
  encoder.Fixed(ByteSpan(id));
  encoder.U64(journal);
  AppendVersion(encoder, version);
  encoder.U64(objects);
  return encoder.Take();
}

void AppendObject(Encoder& encoder, const ObjectView& object) {
  encoder.U32(object.kind);
  encoder.Bytes(object.key);
  encoder.Bytes(object.body);
}

std::string EncodeJournalHeader(const FileId& id, const ViewVersion& base) {
  Encoder encoder;
  encoder.Fixed(ByteSpan(id));
  AppendVersion(encoder, base);
  return encoder.Take();
}

std::string EncodeDelta(std::uint64_t from, const ViewVersion& to,
                        std::span<const KeyView> removals, std::span<const ObjectView> upserts) {
  Encoder encoder;
  encoder.U64(from);
  AppendVersion(encoder, to);
  encoder.U32(static_cast<std::uint32_t>(removals.size()));
  for (const KeyView& removal : removals) {
    encoder.U32(removal.kind);
    encoder.Bytes(removal.key);
  }
  encoder.U32(static_cast<std::uint32_t>(upserts.size()));
  for (const ObjectView& object : upserts) {
    AppendObject(encoder, object);
  }
  return encoder.Take();
}

std::size_t ViewReplay::KeyHash::operator()(const StoredKey& key) const {
  return std::hash<std::string>{}(key.key) * 31 + key.kind;
}

absl::Status ViewReplay::Damaged(std::string_view name, std::uint64_t offset,
                                 std::string_view what) const {
  return DataLoss(
      fmt::format("{}/{} is damaged at byte {}: {}", directory_.path(), name, offset, what));
}

absl::Status ViewReplay::ReadSnapshot() {
  ASSIGN_OR_RETURN(const UniqueFd fd, directory_.OpenExisting(kSnapshotName, O_RDONLY));
  RecordReader reader(fd.get(), kSnapshotPurpose);
  std::string body;
  std::uint32_t tag = 0;
  bool has_header = false;
  while (true) {
    const std::uint64_t offset = reader.offset();
    const RecordReader::Result result = reader.Next(tag, body);
    if (result == RecordReader::Result::kError) {
      return directory_.Error(reader.error_number(), "read", kSnapshotName);
    }
    if (result != RecordReader::Result::kRecord) {
      return Damaged(kSnapshotName, offset, "a checksum does not match or the end is missing");
    }
    const bool is_header = tag == static_cast<std::uint32_t>(RecordTag::kSnapshotHeader);
    if (is_header == has_header) {
      return Damaged(kSnapshotName, offset, "records are out of order");
    }
    if (is_header) {
      has_header = true;
      RETURN_IF_ERROR(ReadSnapshotHeader(body, reader.place()));
    } else if (tag == static_cast<std::uint32_t>(RecordTag::kObjects)) {
      RETURN_IF_ERROR(ReadObjects(body));
    } else if (tag == static_cast<std::uint32_t>(RecordTag::kSnapshotEnd)) {
      break;
    } else {
      return Damaged(kSnapshotName, offset, "a record of unknown kind");
    }
  }
  if (reader.Next(tag, body) != RecordReader::Result::kEnd ||
      objects_.size() != announced_objects_ || digest_.bytes() != version_.digest) {
    return Damaged(kSnapshotName, reader.offset(), "the objects do not match the digest");
  }
  return absl::OkStatus();
}

absl::Status ViewReplay::ReadSnapshotHeader(std::string_view body, RecordPlace& place) {
  Decoder decoder(body);
  FileId id{};
  if (!TakeFileId(decoder, id)) {
    return Damaged(kSnapshotName, 0, "the header is too short");
  }
  first_journal_ = decoder.U64();
  version_ = TakeVersion(decoder);
  announced_objects_ = decoder.U64();
  if (!decoder.Finished()) {
    return Damaged(kSnapshotName, 0, "the header has another form");
  }
  place.Bind(id);
  return absl::OkStatus();
}

absl::Status ViewReplay::ReadObjects(std::string_view body) {
  Decoder decoder(body);
  const std::uint32_t count = decoder.U32();
  for (std::uint32_t i = 0; i < count && decoder.ok(); ++i) {
    StoredKey key;
    key.kind = decoder.U32();
    key.key = decoder.Bytes();
    std::string object(decoder.Bytes());
    digest_.Add(key.kind, AsBytes(key.key), AsBytes(object));
    if (!objects_.try_emplace(std::move(key), std::move(object)).second) {
      return Damaged(kSnapshotName, 0, "an object is there twice");
    }
  }
  return decoder.Finished() ? absl::OkStatus()
                            : Damaged(kSnapshotName, 0, "a batch of objects has another form");
}

absl::StatusOr<ViewReplay::Tail> ViewReplay::ReadJournals(int flags, std::uint64_t stop) {
  Tail tail;
  std::uint64_t replayed = 0;
  std::uint64_t next = first_journal_;
  while (next != kNoJournal && next != stop) {
    const std::uint64_t generation = next;
    next = kNoJournal;
    ASSIGN_OR_RETURN(tail, ReadJournal(generation, flags, next));
    replayed += tail.size;
    const bool goes_on = next != kNoJournal;
    if (goes_on && (tail.was_torn || next <= generation)) {
      return Damaged(JournalName(generation), tail.size, "the seal is not the last record");
    }
  }
  tail.replayed = replayed;
  return tail;
}

absl::StatusOr<ViewReplay::Tail> ViewReplay::ReadJournal(std::uint64_t generation, int flags,
                                                         std::uint64_t& next) {
  const std::string name = JournalName(generation);
  Tail tail;
  tail.generation = generation;
  auto fd = directory_.OpenExisting(name, flags);
  if (absl::IsNotFound(fd.status())) {
    return DataLoss(fmt::format("{}/{} is missing", directory_.path(), name));
  }
  ASSIGN_OR_RETURN(tail.fd, std::move(fd));
  RecordReader reader(tail.fd.get(), kJournalPurpose);
  std::string body;
  bool has_header = false;
  while (true) {
    std::uint32_t tag = 0;
    const RecordReader::Result result = reader.Next(tag, body);
    if (result == RecordReader::Result::kError) {
      return directory_.Error(reader.error_number(), "read", name);
    }
    if (result == RecordReader::Result::kCorrupt) {
      return Damaged(name, reader.offset(), "a checksum does not match");
    }
    if (result != RecordReader::Result::kRecord) {
      tail.was_torn = result == RecordReader::Result::kTorn;
      break;
    }
    absl::Status status;
    const bool is_header = tag == static_cast<std::uint32_t>(RecordTag::kJournalHeader);
    if (is_header == has_header || next != kNoJournal) {
      return Damaged(name, reader.offset(), "records are out of order");
    }
    if (is_header) {
      has_header = true;
      status = ReadJournalHeader(body, reader.place());
    } else if (tag == static_cast<std::uint32_t>(RecordTag::kDelta)) {
      status = ReadDelta(body);
    } else if (tag == static_cast<std::uint32_t>(RecordTag::kSeal)) {
      Decoder decoder(body);
      next = decoder.U64();
    } else {
      status = DataLoss("a record of unknown kind");
    }
    if (!status.ok()) {
      return Damaged(name, reader.offset(), MessageOf(status));
    }
  }
  if (!has_header) {
    // It was durable before the snapshot or seal that leads here.
    return Damaged(name, 0, "the header is missing");
  }
  tail.place = reader.place();
  tail.size = reader.offset();
  return tail;
}

absl::Status ViewReplay::ReadJournalHeader(std::string_view body, RecordPlace& place) {
  Decoder decoder(body);
  FileId id{};
  if (!TakeFileId(decoder, id)) {
    return DataLoss("the header is too short");
  }
  const ViewVersion base = TakeVersion(decoder);
  if (!decoder.Finished() || base.epoch != version_.epoch || base.revision != version_.revision ||
      base.digest != version_.digest) {
    return DataLoss("it starts from another state");
  }
  place.Bind(id);
  return absl::OkStatus();
}

absl::Status ViewReplay::ReadDelta(std::string_view body) {
  Decoder decoder(body);
  const std::uint64_t from = decoder.U64();
  ViewVersion to = TakeVersion(decoder);
  if (!decoder.ok() || from != version_.revision || to.revision < from ||
      to.epoch != version_.epoch) {
    return DataLoss("a change does not follow from the one before");
  }
  const std::uint32_t removals = decoder.U32();
  for (std::uint32_t i = 0; i < removals && decoder.ok(); ++i) {
    StoredKey key;
    key.kind = decoder.U32();
    key.key = decoder.Bytes();
    if (const auto found = objects_.find(key); found != objects_.end()) {
      digest_.Remove(key.kind, AsBytes(key.key), AsBytes(found->second));
      objects_.erase(found);
    }
  }
  const std::uint32_t upserts = decoder.U32();
  for (std::uint32_t i = 0; i < upserts && decoder.ok(); ++i) {
    StoredKey key;
    key.kind = decoder.U32();
    key.key = decoder.Bytes();
    const std::string_view object = decoder.Bytes();
    digest_.Add(key.kind, AsBytes(key.key), AsBytes(object));
    const auto [slot, is_new] = objects_.try_emplace(key);
    if (!is_new) {
      digest_.Remove(key.kind, AsBytes(key.key), AsBytes(slot->second));
    }
    slot->second = object;
  }
  if (!decoder.Finished() || digest_.bytes() != to.digest) {
    return DataLoss("a change does not lead to its digest");
  }
  version_ = std::move(to);
  return absl::OkStatus();
}

std::vector<ObjectView> ViewReplay::Objects() const {
  std::vector<ObjectView> objects;
  objects.reserve(objects_.size());
  for (const auto& [key, body] : objects_) {
    objects.push_back({key.kind, key.key, body});
  }
  return objects;
}

StoredView ViewReplay::TakeView() {
  StoredView view;
  view.version = std::move(version_);
  view.objects.reserve(objects_.size());
  for (auto& [key, body] : objects_) {
    view.objects.push_back({key.kind, key.key, std::move(body)});
  }
  objects_.clear();
  return view;
}

}  // namespace adit::state
