#pragma once

#include <cstdint>
#include <optional>

#include "common/time.h"
#include "dataplane/crypto/secret_arena.h"
#include "dataplane/wireguard/replay_window.h"

namespace adit::wireguard {

class Peer;

// One pair of transport keys (paper 5.4.5) with its send counter and replay window. Lives in a
// SessionPool; its receiver index points at it.
//
// Thread: the shard's. The fast path reads it directly; only Peer changes its lifetime.
struct Session {
  Peer* peer = nullptr;
  crypto::ArenaKey send_key;
  crypto::ArenaKey receive_key;
  std::uint32_t local_index = 0;   // ours: what the peer addresses
  std::uint32_t remote_index = 0;  // the peer's: what we write into transport headers
  bool is_initiator = false;
  bool may_send = false;  // false once expired by a key change, and for the responder
                          // until the session is confirmed
  bool sent_last_minute_handshake = false;
  Instant created;
  std::uint64_t send_counter = 0;  // the next to use
  ReplayWindow replay_window;

  // The first of `count` consecutive counters, or nullopt when that would reach
  // REJECT_AFTER_MESSAGES (then nothing is taken). Rule R8.
  [[nodiscard]] std::optional<std::uint64_t> ReserveCounters(std::uint32_t count);
  // Younger than REJECT_AFTER_TIME.
  [[nodiscard]] bool IsFresh(Instant now) const;
};

}  // namespace adit::wireguard
