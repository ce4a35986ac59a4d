#include "dataplane/state/view_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include <fmt/format.h>

#include "common/log.h"
#include "common/random.h"
#include "common/status.h"
#include "dataplane/state/encoding.h"
#include "dataplane/state/view_replay.h"

namespace adit::state {
namespace {

constexpr std::size_t kBatchSize = std::size_t{1} << 20;
// Reserved ahead, so that a disk that fills up does not at once stop the recording of changes.
constexpr std::uint64_t kReserveAhead = std::uint64_t{256} << 10;
constexpr std::string_view kJournalPrefix = "journal-";

FileId MakeFileId() {
  FileId id;
  SystemRandom().Fill(id);
  return id;
}

std::optional<std::uint64_t> GenerationOf(std::string_view name) {
  if (name.substr(0, kJournalPrefix.size()) != kJournalPrefix) {
    return std::nullopt;
  }
  name.remove_prefix(kJournalPrefix.size());
  std::uint64_t generation = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), generation);
  if (error != std::errc() || end != name.data() + name.size()) {
    return std::nullopt;
  }
  return generation;
}

// The files were read, but what they hold cannot be used.
bool IsDamage(const absl::Status& status) {
  return absl::IsDataLoss(status) || ErrnoOf(status) == EIO;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ViewStore>> ViewStore::Open(const StateDirectory& directory,
                                                           const Options& options, Loaded& loaded) {
  std::unique_ptr<ViewStore> store(new ViewStore(directory, options));
  ASSIGN_OR_RETURN(const std::vector<std::string> names, directory.List());
  for (const std::string& name : names) {
    if (const auto generation = GenerationOf(name)) {
      store->next_generation_ = std::max(store->next_generation_, *generation + 1);
    }
  }
  const absl::Status status = store->Load(loaded);
  if (IsDamage(status)) {
    loaded.view.reset();
    RETURN_IF_ERROR(store->SetFilesAside());
    loaded.problem = fmt::format("{} (kept as {})", MessageOf(status), DamagedName(kSnapshotName));
  } else if (!status.ok()) {
    return status;
  }
  return store;
}

ViewStore::~ViewStore() { FinishCompaction(); }

absl::Status ViewStore::Load(Loaded& loaded) {
  ViewReplay replay(directory_);
  const absl::Status snapshot = replay.ReadSnapshot();
  if (absl::IsNotFound(snapshot)) {
    RemoveJournals(1, 0);
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(snapshot);
  ASSIGN_OR_RETURN(ViewReplay::Tail tail, replay.ReadJournals(O_RDWR | O_APPEND, 0));
  if (tail.was_torn &&
      (ftruncate(tail.fd.get(), static_cast<off_t>(tail.size)) != 0 || fsync(tail.fd.get()) != 0)) {
    return directory_.Error(errno, "cut the torn end of", JournalName(tail.generation));
  }
  RemoveJournals(replay.first_journal(), tail.generation);
  version_ = replay.version();
  journal_ = Journal{.generation = tail.generation,
                     .fd = std::move(tail.fd),
                     .place = std::move(tail.place),
                     .size = tail.size,
                     .reserved = 0};
  loaded.view = replay.TakeView();
  return absl::OkStatus();
}

absl::Status ViewStore::SetFilesAside() const {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, directory_.List());
  const std::string mark = DamagedName("");
  for (const std::string& name : names) {
    if (name.starts_with(mark) && GenerationOf(std::string_view(name).substr(mark.size()))) {
      RETURN_IF_ERROR(directory_.Remove(name));
    }
  }
  for (const std::string& name : names) {
    if (GenerationOf(name)) {
      RETURN_IF_ERROR(directory_.SetAside(name));
    }
  }
  return directory_.SetAside(kSnapshotName);
}

absl::StatusOr<ViewStore::Journal> ViewStore::CreateJournal(const ViewVersion& base) {
  Journal journal{.generation = next_generation_,
                  .fd = UniqueFd(),
                  .place = RecordPlace::First(kJournalPurpose),
                  .size = 0,
                  .reserved = 0};
  const std::string name = JournalName(journal.generation);
  ASSIGN_OR_RETURN(journal.fd, directory_.Create(name, O_RDWR | O_APPEND));
  ++next_generation_;
  const FileId id = MakeFileId();
  absl::Status status = AppendRecord(journal, static_cast<std::uint32_t>(RecordTag::kJournalHeader),
                                     EncodeJournalHeader(id, base));
  journal.place.Bind(id);
  if (status.ok()) {
    status = directory_.Sync();
  }
  if (!status.ok()) {
    directory_.Remove(name).IgnoreError();  // nothing leads to it
    return status;
  }
  return journal;
}

absl::Status ViewStore::AppendRecord(Journal& journal, std::uint32_t tag, std::string_view body) {
  if (body.size() > kMaxRecordBody) {
    return ResourceExhausted(fmt::format("a change of {} bytes is too large", body.size()));
  }
  RecordPlace next = journal.place;
  const std::string record = EncodeRecord(next, tag, body);
  const std::string name = JournalName(journal.generation);
  if (journal.size + record.size() > journal.reserved) {
    // Only advice: a file system without it, or a full one, is found out by write.
    if (fallocate(journal.fd.get(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(journal.size),
                  static_cast<off_t>(record.size() + kReserveAhead)) == 0) {
      journal.reserved = journal.size + record.size() + kReserveAhead;
    }
  }
  if (const int error_number = WriteAll(journal.fd.get(), record); error_number != 0) {
    // A part may have been written. Cut it, or the next record would follow garbage.
    if (ftruncate(journal.fd.get(), static_cast<off_t>(journal.size)) != 0) {
      journal.fd.Reset();
    }
    return directory_.Error(error_number, "write", name);
  }
  if (fdatasync(journal.fd.get()) != 0) {
    // What the disk holds is not known any more, and a second fdatasync would not tell.
    const int error_number = errno;
    journal.fd.Reset();
    return directory_.Error(error_number, "fdatasync", name);
  }
  journal.place = std::move(next);
  journal.size += record.size();
  return absl::OkStatus();
}

absl::Status ViewStore::WriteSnapshot(std::uint64_t journal, const ViewVersion& version,
                                      std::span<const ObjectView> objects) const {
  return directory_.WriteAtomically(kSnapshotName, [&](int fd) -> absl::Status {
    RecordPlace place = RecordPlace::First(kSnapshotPurpose);
    const auto write = [&](RecordTag tag, std::string_view body) -> absl::Status {
      if (body.size() > kMaxRecordBody) {
        return ResourceExhausted(fmt::format("an object of {} bytes is too large", body.size()));
      }
      const int error_number =
          WriteAll(fd, EncodeRecord(place, static_cast<std::uint32_t>(tag), body));
      return error_number == 0 ? absl::OkStatus()
                               : directory_.Error(error_number, "write", kSnapshotName);
    };
    const FileId id = MakeFileId();
    RETURN_IF_ERROR(write(RecordTag::kSnapshotHeader,
                          EncodeSnapshotHeader(id, journal, version, objects.size())));
    place.Bind(id);
    while (!objects.empty()) {
      Encoder batch;
      std::uint32_t count = 0;
      while (count < objects.size() && batch.size() < kBatchSize) {
        AppendObject(batch, objects[count++]);
      }
      objects = objects.subspan(count);
      Encoder record;
      record.U32(count);
      record.Fixed(batch.Take());
      RETURN_IF_ERROR(write(RecordTag::kObjects, record.Take()));
    }
    return write(RecordTag::kSnapshotEnd, {});
  });
}

absl::Status ViewStore::Replace(const ViewVersion& version, std::span<const ObjectView> objects) {
  FinishCompaction();
  ASSIGN_OR_RETURN(Journal journal, CreateJournal(version));
  absl::Status status = WriteSnapshot(journal.generation, version, objects);
  if (!status.ok()) {
    // Only the last step, flushing the directory, can fail after the rename: then the file that
    // is there may already lead to this journal, and the old one may come back.
    auto replay = std::make_unique<ViewReplay>(directory_);
    const bool is_in_place =
        replay->ReadSnapshot().ok() && replay->first_journal() == journal.generation;
    if (is_in_place) {
      journal_.reset();
    } else {
      directory_.Remove(JournalName(journal.generation)).IgnoreError();  // nothing leads to it
    }
    return status;
  }
  RemoveJournals(journal.generation, journal.generation);
  journal_ = std::move(journal);
  version_ = version;
  return absl::OkStatus();
}

absl::Status ViewStore::AppendDelta(const ViewVersion& to, std::span<const KeyView> removals,
                                    std::span<const ObjectView> upserts) {
  if (!journal_ || !journal_->fd.is_open() || to.epoch != version_.epoch) {
    return FailedPrecondition("no state on disk that a change could be added to");
  }
  RETURN_IF_ERROR(AppendRecord(*journal_, static_cast<std::uint32_t>(RecordTag::kDelta),
                               EncodeDelta(version_.revision, to, removals, upserts)));
  version_ = to;
  return absl::OkStatus();
}

absl::Status ViewStore::Withdraw() {
  FinishCompaction();
  journal_.reset();
  RETURN_IF_ERROR(directory_.Remove(kSnapshotName));
  RETURN_IF_ERROR(directory_.Sync());
  RemoveJournals(1, 0);
  return absl::OkStatus();
}

void ViewStore::RemoveJournals(std::uint64_t first_kept, std::uint64_t last_kept) const {
  const auto names = directory_.List();
  if (!names.ok()) {
    return;  // left-overs cost space only; the next start tries again
  }
  for (const std::string& name : *names) {
    const auto generation = GenerationOf(name);
    const bool is_stale = generation && (*generation < first_kept || *generation > last_kept);
    if (is_stale) {
      directory_.Remove(name).IgnoreError();  // as above
    }
  }
}

void ViewStore::CompactIfNeeded() {
  if (!journal_ || !journal_->fd.is_open() || journal_->size < options_.compact_after_bytes ||
      is_merging_.load(std::memory_order_acquire)) {
    return;
  }
  FinishCompaction();
  auto next = CreateJournal(version_);
  if (!next.ok()) {
    LOG_DEBUG("state journal is not merged: {}", MessageOf(next.status()));
    return;
  }
  Encoder seal;
  seal.U64(next->generation);
  const absl::Status sealed =
      AppendRecord(*journal_, static_cast<std::uint32_t>(RecordTag::kSeal), seal.Take());
  if (!sealed.ok()) {
    LOG_DEBUG("state journal is not merged: {}", MessageOf(sealed));
    directory_.Remove(JournalName(next->generation)).IgnoreError();  // nothing leads to it
    return;
  }
  const std::uint64_t stop = next->generation;
  journal_ = *std::move(next);
  is_merging_.store(true, std::memory_order_release);
  merging_ = std::thread([this, stop] {
    if (const absl::Status status = Merge(stop); !status.ok()) {
      LOG_WARN("state files keep growing: {}", MessageOf(status));
    }
    is_merging_.store(false, std::memory_order_release);
  });
}

void ViewStore::FinishCompaction() {
  if (merging_.joinable()) {
    merging_.join();
  }
}

// Reads the sealed files, which nobody changes, rather than the live state, which somebody does.
absl::Status ViewStore::Merge(std::uint64_t stop) const {
  ViewReplay replay(directory_);
  RETURN_IF_ERROR(replay.ReadSnapshot());
  RETURN_IF_ERROR(replay.ReadJournals(O_RDONLY, stop).status());
  RETURN_IF_ERROR(WriteSnapshot(stop, replay.version(), replay.Objects()));
  RemoveJournals(stop, UINT64_MAX);
  return absl::OkStatus();
}

}  // namespace adit::state
