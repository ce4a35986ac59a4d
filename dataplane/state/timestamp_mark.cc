#include "dataplane/state/timestamp_mark.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "common/status.h"
#include "dataplane/state/encoding.h"
#include "dataplane/state/record.h"

namespace adit::state {
namespace {

constexpr char kMarkName[] = "timestamp-mark";
constexpr char kMarkPurpose[] = "adit data plane timestamp mark 1";
constexpr std::size_t kSlotSize = 512;  // no device writes less at once
constexpr std::uint32_t kMarkTag = 1;

struct Slot {
  std::uint64_t sequence = 0;
  WallTime mark;
  WallTime written_at;
};

// The slot's sequence is inside the body; as a record each slot is the first of its own domain.
std::string EncodeSlot(const Slot& slot) {
  Encoder encoder;
  encoder.U64(slot.sequence);
  encoder.I64(slot.mark.since_epoch().count());
  encoder.I64(slot.written_at.since_epoch().count());
  RecordPlace place = RecordPlace::First(kMarkPurpose);
  std::string bytes = EncodeRecord(place, kMarkTag, encoder.Take());
  bytes.resize(kSlotSize, '\0');
  return bytes;
}

bool DecodeSlot(std::string_view bytes, Slot& slot) {
  if (bytes.size() != kSlotSize) {
    return false;
  }
  constexpr std::size_t kBodySize = 24;
  Decoder decoder(bytes.substr(kRecordHeadSize, kBodySize));
  slot.sequence = decoder.U64();
  slot.mark = WallTime(Duration(decoder.I64()));
  slot.written_at = WallTime(Duration(decoder.I64()));
  return EncodeSlot(slot) == bytes;
}

}  // namespace

absl::StatusOr<TimestampMark> TimestampMark::Open(const StateDirectory& directory, Loaded& loaded) {
  TimestampMark mark(directory);
  auto fd = directory.OpenExisting(kMarkName, O_RDWR);
  if (fd.ok()) {
    mark.fd_ = *std::move(fd);
    mark.Load(loaded);
    if (loaded.problem.empty()) {
      return mark;
    }
    RETURN_IF_ERROR(directory.SetAside(kMarkName));
  } else if (!absl::IsNotFound(fd.status())) {
    return fd.status();
  }
  RETURN_IF_ERROR(directory.WriteAtomically(kMarkName, EncodeSlot({}) + EncodeSlot({})));
  ASSIGN_OR_RETURN(mark.fd_, directory.OpenExisting(kMarkName, O_RDWR));
  return mark;
}

void TimestampMark::Load(Loaded& loaded) {
  bool found = false;
  for (int i = 0; i < 2; ++i) {
    char bytes[kSlotSize];
    const ssize_t got = pread(fd_.get(), bytes, sizeof bytes, static_cast<off_t>(kSlotSize) * i);
    Slot slot;
    if (got != static_cast<ssize_t>(sizeof bytes) ||
        !DecodeSlot(std::string_view(bytes, sizeof bytes), slot)) {
      continue;
    }
    found = true;
    sequence_ = std::max(sequence_, slot.sequence);
    loaded.mark = std::max(loaded.mark, slot.mark);
    loaded.written_at = std::max(loaded.written_at, slot.written_at);
  }
  mark_ = loaded.mark;
  if (!found) {
    loaded.problem = fmt::format(
        "{}/{} is damaged (kept as {}): if the clock was set back, peers may ignore handshakes "
        "until it has caught up",
        directory_->path(), kMarkName, DamagedName(kMarkName));
  }
}

absl::Status TimestampMark::EnsureCovers(WallTime time, WallTime now) {
  if (mark_ >= time + kAhead) {
    return absl::OkStatus();
  }
  const Slot slot{.sequence = sequence_ + 1, .mark = time + kAhead + kAhead, .written_at = now};
  const std::string bytes = EncodeSlot(slot);
  const off_t offset = static_cast<off_t>(kSlotSize * (slot.sequence % 2));
  const ssize_t written = pwrite(fd_.get(), bytes.data(), bytes.size(), offset);
  if (written != static_cast<ssize_t>(bytes.size())) {
    return directory_->Error(written < 0 ? errno : ENOSPC, "write", kMarkName);
  }
  if (fdatasync(fd_.get()) != 0) {
    return directory_->Error(errno, "fdatasync", kMarkName);
  }
  sequence_ = slot.sequence;
  mark_ = slot.mark;
  return absl::OkStatus();
}

}  // namespace adit::state
