#pragma once

#include <cstdint>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/time.h"
#include "common/unique_fd.h"
#include "dataplane/state/directory.h"

namespace adit::state {

// A time that none of our handshake timestamps has exceeded, kept in the file `timestamp-mark` and
// written ahead, so that after a kill and a clock step back the next timestamp is still greater
// than any a peer has seen.
//
// Two slots of a block each are overwritten in turn, in place: a torn write leaves the other, and
// a disk that is full does not matter.
//
// Thread: one at a time.
class TimestampMark {
 public:
  // A timestamp may be used once the mark on disk is this far ahead of the time it was made.
  static constexpr Duration kAhead = seconds(10);

  struct Loaded {
    WallTime mark;        // zero: none was written
    WallTime written_at;  // by the own wall clock
    std::string problem;  // of a file in which no slot is whole; else empty
  };

  static absl::StatusOr<TimestampMark> Open(const StateDirectory& directory, Loaded& loaded);

  // On OK the mark on disk is >= time + kAhead. Writes only when it is not yet, and then twice as
  // far, so that a caller who asks every second writes about every ten.
  [[nodiscard]] absl::Status EnsureCovers(WallTime time, WallTime now);
  [[nodiscard]] WallTime mark() const { return mark_; }

 private:
  explicit TimestampMark(const StateDirectory& directory) : directory_(&directory) {}
  void Load(Loaded& loaded);

  const StateDirectory* directory_;
  UniqueFd fd_;
  std::uint64_t sequence_ = 0;  // of the slot written last
  WallTime mark_;
};

}  // namespace adit::state
