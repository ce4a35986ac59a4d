#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "dataplane/wireguard/session.h"

namespace adit::wireguard {

// Sessions in chunks, reused: a rekey allocates nothing while a free one is left. Chunks are kept.
//
// Thread: the shard's.
class SessionPool {
 public:
  SessionPool();
  ~SessionPool();
  SessionPool(const SessionPool&) = delete;
  SessionPool& operator=(const SessionPool&) = delete;
  // A session in its initial state. Grows by a chunk when none is free.
  [[nodiscard]] Session* Take();
  // Wipes keys and state. nullptr is allowed.
  void Give(Session* session);

 private:
  static constexpr std::size_t kChunk = 16;
  std::vector<std::unique_ptr<Session[]>> chunks_;
  std::vector<Session*> free_;
};

}  // namespace adit::wireguard
