#pragma once

#include <cstdint>

#include "common/bytes.h"
#include "common/ip_address.h"
#include "common/random.h"
#include "common/time.h"
#include "dataplane/crypto/secret.h"
#include "dataplane/wireguard/local_identity.h"
#include "dataplane/wireguard/messages.h"

// Denial-of-service protection, the responder's side (paper 5.3, 5.4.4, 5.4.7): mac1, mac2, cookie
// replies. The initiator's side (one cookie per peer) is in Peer.
namespace adit::wireguard {

enum class MacCheck : std::uint8_t {
  kInvalid,        // mac1 wrong: silence, always
  kMac1Only,       // mac1 right, mac2 absent or wrong
  kMac1AndCookie,  // both right: the sender owns its source address
};

// Thread: the shard's. The secret is per shard; it rotates every 120 s, on use.
class CookieChecker {
 public:
  CookieChecker(const LocalIdentity& identity, RandomSource& random)
      : identity_(identity), random_(random) {}

  // `message` is an initiation or a response of its exact size.
  [[nodiscard]] bool IsMac1Valid(ByteSpan message) const;
  // Checks mac1, then mac2 against the cookie of this source.
  [[nodiscard]] MacCheck Check(ByteSpan message, const Endpoint& source, Instant now);
  // Writes the type-3 answer to `message` (whose mac1 is valid).
  void WriteReply(ByteSpan message, const Endpoint& source, Instant now,
                  std::span<std::uint8_t, kCookieReplySize> out);

 private:
  void RotateSecret(Instant now);

  const LocalIdentity& identity_;
  RandomSource& random_;
  crypto::SymmetricKey secret_;
  Instant secret_made_;
  bool has_secret_ = false;
};

}  // namespace adit::wireguard
