#pragma once

#include "common/random.h"
#include "dataplane/engine/handshake_queue.h"
#include "dataplane/engine/peer_remotes.h"
#include "dataplane/wireguard/cookie.h"
#include "dataplane/wireguard/rate_limiter.h"
#include "dataplane/wireguard/tai64n.h"

namespace adit::engine {

// What the engines of one process have in common: nothing that transport data needs, unless it
// looks like our own.
//
// Thread: any.
struct Shared {
  explicit Shared(RandomSource& random) : cookie_secret(random), rate_limiter(random) {}

  HandshakeLoad handshake_load;
  wireguard::CookieSecret cookie_secret;
  wireguard::HandshakeRateLimiter rate_limiter;
  wireguard::Tai64nSource timestamps;
  PeerRemotes remotes;
};

}  // namespace adit::engine
