#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>

#include "common/state_digest.h"
#include "common/time.h"
#include "controlplane/rpc/waiting_calls.h"

namespace adit::hub {

// What a request is, whatever its options say about waiting.
[[nodiscard]] StateDigest FingerprintOf(std::string_view method, std::string_view request);

// Remembers for ten minutes what requests with an id led to, so that a client that did not hear the
// answer can ask again without doing it twice. Only stored changes are remembered, in memory only;
// the oldest are forgotten when there are too many. Thread: the model thread.
class RequestLog {
 public:
  struct Entry {
    StateDigest fingerprint;
    std::string response;  // serialized, without the nodes' outcomes
    std::uint64_t revision = 0;
    std::vector<Concern> concerns;
  };
  static constexpr Duration kKept = seconds(600);

  explicit RequestLog(std::size_t max_entries) : max_entries_(max_entries) {}

  // nullptr: not seen. INVALID_ARGUMENT naming request_id for the id of a different request, and
  // for an id that is too long.
  absl::StatusOr<const Entry*> Find(const std::string& id, const StateDigest& fingerprint,
                                    Instant now);
  void Add(const std::string& id, Entry entry, Instant now);

 private:
  struct Age {
    Instant since;
    std::string id;
  };
  void Forget(Instant now);

  const std::size_t max_entries_;
  absl::flat_hash_map<std::string, Entry> entries_;
  std::deque<Age> ages_;  // oldest first
};

}  // namespace adit::hub
