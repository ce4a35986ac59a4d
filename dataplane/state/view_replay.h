#pragma once

#include <cstdint>
#include <span>
#include <string>

#include <absl/container/flat_hash_map.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/state_digest.h"
#include "dataplane/state/directory.h"
#include "dataplane/state/record.h"
#include "dataplane/state/view.h"

// The files of a view and how they are read back (written by ViewStore):
//
//   snapshot      header, objects in batches, end; complete by construction (rename)
//   journal-N     header with the state it starts from, then one record per delta; possibly, last,
//                 a seal that names the journal that goes on
//
// The snapshot names the first journal to replay.
namespace adit::state {

inline constexpr char kSnapshotName[] = "snapshot";
inline constexpr char kSnapshotPurpose[] = "adit data plane snapshot 1";
inline constexpr char kJournalPurpose[] = "adit data plane journal 1";
[[nodiscard]] std::string JournalName(std::uint64_t generation);

enum class RecordTag : std::uint32_t {
  kSnapshotHeader = 1,
  kObjects = 2,
  kSnapshotEnd = 3,
  kJournalHeader = 4,
  kDelta = 5,
  kSeal = 6,
};

// The bodies of the records.
[[nodiscard]] std::string EncodeSnapshotHeader(const FileId& id, std::uint64_t journal,
                                               const ViewVersion& version, std::uint64_t objects);
void AppendObject(class Encoder& encoder, const ObjectView& object);
[[nodiscard]] std::string EncodeJournalHeader(const FileId& id, const ViewVersion& base);
[[nodiscard]] std::string EncodeDelta(std::uint64_t from, const ViewVersion& to,
                                      std::span<const KeyView> removals,
                                      std::span<const ObjectView> upserts);

// Reads a snapshot and the journals that follow it. Every check, link and digest must hold:
// otherwise DATA_LOSS with the file and offset, and nothing read is to be used.
class ViewReplay {
 public:
  // An open journal's end, to append to.
  struct Tail {
    std::uint64_t generation = 0;
    UniqueFd fd;
    RecordPlace place;
    std::uint64_t size = 0;      // after the last whole record
    bool was_torn = false;       // bytes follow that belong to no whole record
    std::uint64_t replayed = 0;  // bytes of all journals read
  };

  explicit ViewReplay(const StateDirectory& directory) : directory_(directory) {}

  // NOT_FOUND: there is no snapshot, so there is no state.
  absl::Status ReadSnapshot();
  // From the snapshot's journal along the seals to the first that is not sealed or is `stop`,
  // which is not read. The tail is the last one read, opened with `flags`.
  absl::StatusOr<Tail> ReadJournals(int flags, std::uint64_t stop);

  [[nodiscard]] std::uint64_t first_journal() const { return first_journal_; }
  [[nodiscard]] const ViewVersion& version() const { return version_; }
  [[nodiscard]] std::vector<ObjectView> Objects() const;
  [[nodiscard]] StoredView TakeView();

 private:
  struct KeyHash {
    std::size_t operator()(const StoredKey& key) const;
  };

  absl::Status ReadSnapshotHeader(std::string_view body, RecordPlace& place);
  absl::Status ReadObjects(std::string_view body);
  absl::Status ReadDelta(std::string_view body);
  absl::Status ReadJournalHeader(std::string_view body, RecordPlace& place);
  // Sets `next` when the journal is sealed.
  absl::StatusOr<Tail> ReadJournal(std::uint64_t generation, int flags, std::uint64_t& next);
  [[nodiscard]] absl::Status Damaged(std::string_view name, std::uint64_t offset,
                                     std::string_view what) const;

  const StateDirectory& directory_;
  std::uint64_t first_journal_ = 0;
  std::uint64_t announced_objects_ = 0;
  ViewVersion version_;
  StateDigest digest_;
  absl::flat_hash_map<StoredKey, std::string, KeyHash> objects_;
};

}  // namespace adit::state
