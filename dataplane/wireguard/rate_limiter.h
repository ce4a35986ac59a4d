#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "common/ip_address.h"
#include "common/mutex.h"
#include "common/random.h"
#include "common/time.h"

namespace adit::wireguard {

// A token bucket per source: 20 handshakes a second, bursts of 5, per IPv4 address or IPv6 /64
// (paper 5.3). Asked only under load and only after a valid mac2. 65,536 entries at most, in a
// fixed table hashed with a random key; those idle for a second make room; full means deny.
//
// Thread: any; one for all shards. Memory is touched when first used.
class HandshakeRateLimiter {
 public:
  static constexpr std::size_t kCapacity = 65536;
  static constexpr Duration kCost = milliseconds(50);
  static constexpr Duration kBurst = 5 * kCost;
  static constexpr Duration kForget = seconds(1);

  explicit HandshakeRateLimiter(RandomSource& random, std::size_t capacity = kCapacity);
  ~HandshakeRateLimiter();
  HandshakeRateLimiter(const HandshakeRateLimiter&) = delete;
  HandshakeRateLimiter& operator=(const HandshakeRateLimiter&) = delete;

  [[nodiscard]] bool Allow(const IpAddress& source, Instant now);

 private:
  struct Bucket {
    std::uint64_t source = 0;  // IPv4 address, or the upper half of an IPv6 address
    IpFamily family = IpFamily::kNone;
    Instant last;
    Duration tokens{0};
  };

  // Neighbours looked at for a place: enough that a full neighbourhood means a full table.
  static constexpr std::size_t kProbes = 16;

  const std::uint64_t hash_key_;
  const std::size_t capacity_;  // a power of two
  Mutex mutex_;
  Bucket* buckets_ ABSL_PT_GUARDED_BY(mutex_);  // mapped, zero until used
};

}  // namespace adit::wireguard
