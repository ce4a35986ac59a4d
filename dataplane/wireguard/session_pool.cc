#include "dataplane/wireguard/session_pool.h"

namespace adit::wireguard {

SessionPool::SessionPool() = default;
SessionPool::~SessionPool() = default;

Session* SessionPool::Take() {
  if (free_.empty()) {
    chunks_.push_back(std::make_unique<Session[]>(kChunk));
    free_.reserve(chunks_.size() * kChunk);
    for (std::size_t i = 0; i < kChunk; ++i) {
      free_.push_back(&chunks_.back()[i]);
    }
  }
  Session* session = free_.back();
  free_.pop_back();
  return session;
}

void SessionPool::Give(Session* session) {
  if (session != nullptr) {
    *session = Session();  // the keys' slots are wiped with it
    free_.push_back(session);
  }
}

}  // namespace adit::wireguard
