#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/ip_address.h"
#include "common/key.h"
#include "common/time.h"
#include "common/unique_fd.h"
#include "dataplane/state/directory.h"
#include "dataplane/state/record.h"

namespace adit::state {

// What a restart should still know of a peer.
struct PeerRecord {
  PublicKey public_key;
  std::optional<Endpoint> endpoint;                   // where it was last heard
  std::array<std::uint8_t, 12> greatest_timestamp{};  // TAI64N; zero: none
  bool was_active = false;                            // carried data recently: speak first
  friend bool operator==(const PeerRecord&, const PeerRecord&) = default;
};

// The file `peers`: a log of changed records, rewritten when it is mostly old ones. A greatest
// timestamp only grows here, even when a call brings a smaller one.
//
// Damage loses the records after it, which costs a peer one handshake at most; it is told once, the
// file is set aside (DamagedName) and written anew.
//
// Thread: one at a time.
class PeerMemory {
 public:
  struct Loaded {
    std::vector<PeerRecord> peers;
    WallTime written_at;  // of the last batch
    std::string problem;  // of a damaged file; else empty
  };

  static absl::StatusOr<PeerMemory> Open(const StateDirectory& directory, Loaded& loaded);

  // Records what differs from what was recorded before, as one batch, on disk when this returns.
  // `peers` are all there are: the others are forgotten when the file is next rewritten.
  [[nodiscard]] absl::Status Update(std::span<const PeerRecord> peers, WallTime now);

  [[nodiscard]] std::uint64_t file_size() const { return size_; }

 private:
  explicit PeerMemory(const StateDirectory& directory) : directory_(&directory) {}
  void Load(Loaded& loaded);
  bool LoadBatch(std::string_view body, Loaded& loaded);
  [[nodiscard]] absl::Status Append(std::span<const PeerRecord> changed, WallTime now);
  [[nodiscard]] absl::Status Rewrite(WallTime now);

  const StateDirectory* directory_;
  absl::flat_hash_map<PublicKey, PeerRecord> recorded_;
  UniqueFd fd_;  // closed: rewrite before anything is appended
  RecordPlace place_;
  std::uint64_t size_ = 0;
};

}  // namespace adit::state
