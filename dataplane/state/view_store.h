#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/unique_fd.h"
#include "dataplane/state/directory.h"
#include "dataplane/state/record.h"
#include "dataplane/state/view.h"

namespace adit::state {

// The last good state of a node on disk: a snapshot file and journals that follow it. What a call
// returned OK for survives a kill or a power cut at any instant after; what it failed for is not
// there after a restart, or, when the disk failed while flushing, may be.
//
// A journal that ends inside a record was being written when the process died: that record was
// never acknowledged and is cut. Any other damage means that nothing can be trusted: no state, so
// that everything is denied until a snapshot comes. The damaged files are set aside (DamagedName),
// in place of those of an earlier damage.
//
// Thread: one at a time. Merging journals into a snapshot runs on a thread of its own.
class ViewStore {
 public:
  struct Options {
    // The journal grows to this before it is merged into a snapshot.
    std::uint64_t compact_after_bytes = std::uint64_t{1} << 20;
  };
  struct Loaded {
    std::optional<StoredView> view;  // none: deny everything
    std::string problem;             // why there is none although there are files; else empty
  };

  // The directory outlives the store. An error means the files could not be read or are not ours;
  // damaged files are no error but a problem in `loaded`.
  static absl::StatusOr<std::unique_ptr<ViewStore>> Open(const StateDirectory& directory,
                                                         const Options& options, Loaded& loaded);
  ~ViewStore();
  ViewStore(const ViewStore&) = delete;
  ViewStore& operator=(const ViewStore&) = delete;

  // Replaces everything by these objects. On error what was on disk stays.
  [[nodiscard]] absl::Status Replace(const ViewVersion& version,
                                     std::span<const ObjectView> objects);
  // The change from the version stored last to `to`, of the same epoch; removals first. On error
  // what was on disk stays. FAILED_PRECONDITION: only Replace can help.
  [[nodiscard]] absl::Status AppendDelta(const ViewVersion& to, std::span<const KeyView> removals,
                                         std::span<const ObjectView> upserts);
  // Takes the state off the disk: a restart denies everything. For a change that must not be
  // undone by a restart and cannot be recorded.
  [[nodiscard]] absl::Status Withdraw();

  // Starts merging when the journal has grown enough. Takes a few flushes: off the path of updates.
  void CompactIfNeeded();
  // Waits for a merge that runs.
  void FinishCompaction();

 private:
  struct Journal {
    std::uint64_t generation = 0;
    UniqueFd fd;
    RecordPlace place;
    std::uint64_t size = 0;
    std::uint64_t reserved = 0;  // disk space allocated up to here
  };

  ViewStore(const StateDirectory& directory, const Options& options)
      : directory_(directory), options_(options) {}

  absl::Status Load(Loaded& loaded);
  absl::Status SetFilesAside() const;
  absl::StatusOr<Journal> CreateJournal(const ViewVersion& base);
  [[nodiscard]] absl::Status AppendRecord(Journal& journal, std::uint32_t tag,
                                          std::string_view body);
  [[nodiscard]] absl::Status WriteSnapshot(std::uint64_t journal, const ViewVersion& version,
                                           std::span<const ObjectView> objects) const;
  void RemoveJournals(std::uint64_t first_kept, std::uint64_t last_kept) const;
  absl::Status Merge(std::uint64_t stop) const;

  const StateDirectory& directory_;
  const Options options_;
  std::uint64_t next_generation_ = 1;
  std::optional<Journal> journal_;  // none: no state on disk, or one that cannot be appended to
  ViewVersion version_;             // of the end of journal_
  std::thread merging_;
  std::atomic<bool> is_merging_{false};
};

}  // namespace adit::state
