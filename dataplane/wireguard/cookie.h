#pragma once

#include <cstdint>
#include <optional>

#include "common/bytes.h"
#include "common/ip_address.h"
#include "common/mutex.h"
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

// What cookies are made with, one for all shards, so that each accepts what another handed out. It
// rotates every 120 s, on use.
//
// Thread: any.
class CookieSecret {
 public:
  explicit CookieSecret(RandomSource& random) : random_(random) {}

  // nullopt: no cookie made with it is valid any more.
  [[nodiscard]] std::optional<crypto::SymmetricKey> Current(Instant now) const;
  [[nodiscard]] crypto::SymmetricKey CurrentOrNew(Instant now);

 private:
  [[nodiscard]] bool IsCurrent(Instant now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  RandomSource& random_;
  mutable Mutex mutex_;
  crypto::SymmetricKey key_ ABSL_GUARDED_BY(mutex_);
  std::optional<Instant> made_ ABSL_GUARDED_BY(mutex_);
};

// Thread: the shard's.
class CookieChecker {
 public:
  CookieChecker(const LocalIdentity& identity, CookieSecret& secret, RandomSource& random)
      : identity_(identity), secret_(secret), random_(random) {}

  // `message` is an initiation or a response of its exact size.
  [[nodiscard]] bool IsMac1Valid(ByteSpan message) const;
  // Whether mac2 is made with the cookie of this source. mac1 is not looked at.
  [[nodiscard]] bool IsMac2Valid(ByteSpan message, const Endpoint& source, Instant now) const;
  // Checks mac1, then mac2.
  [[nodiscard]] MacCheck Check(ByteSpan message, const Endpoint& source, Instant now) const;
  // Writes the type-3 answer to `message` (whose mac1 is valid).
  void WriteReply(ByteSpan message, const Endpoint& source, Instant now,
                  std::span<std::uint8_t, kCookieReplySize> out);

 private:
  const LocalIdentity& identity_;
  CookieSecret& secret_;
  RandomSource& random_;
};

}  // namespace adit::wireguard
