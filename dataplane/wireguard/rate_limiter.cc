#include "dataplane/wireguard/rate_limiter.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <new>

namespace adit::wireguard {
namespace {

std::uint64_t SourceOf(const IpAddress& address) {
  const std::uint8_t* bytes = address.bytes().data();
  return address.is_v6() ? LoadBe64(bytes) : address.is_v4() ? LoadBe32(bytes) : 0;
}

std::uint64_t Scramble(std::uint64_t value) {
  value ^= value >> 32;
  value *= 0xd6e8feb86659fd93;
  value ^= value >> 32;
  value *= 0xd6e8feb86659fd93;
  return value ^ (value >> 32);
}

}  // namespace

HandshakeRateLimiter::HandshakeRateLimiter(RandomSource& random, std::size_t capacity)
    : hash_key_(random.Next64()), capacity_(std::bit_ceil(capacity)) {
  void* mapping = mmap(nullptr, capacity_ * sizeof(Bucket), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) {
    throw std::bad_alloc();
  }
  buckets_ = static_cast<Bucket*>(mapping);
}

HandshakeRateLimiter::~HandshakeRateLimiter() {
  munmap(static_cast<void*>(buckets_), capacity_ * sizeof(Bucket));
}

bool HandshakeRateLimiter::Allow(const IpAddress& source, Instant now) {
  const std::uint64_t key = SourceOf(source);
  const std::size_t home = Scramble(key ^ hash_key_) & (capacity_ - 1);
  const MutexLock lock(mutex_);
  Bucket* vacant = nullptr;
  for (std::size_t i = 0; i < std::min(kProbes, capacity_); ++i) {
    Bucket& bucket = buckets_[(home + i) & (capacity_ - 1)];
    if (bucket.family == source.family() && bucket.source == key) {
      bucket.tokens = std::min(kBurst, bucket.tokens + (now - bucket.last));
      bucket.last = now;
      if (bucket.tokens < kCost) {
        return false;
      }
      bucket.tokens -= kCost;
      return true;
    }
    const bool is_vacant = bucket.family == IpFamily::kNone || now - bucket.last > kForget;
    if (is_vacant && vacant == nullptr) {
      vacant = &bucket;
    }
  }
  if (vacant == nullptr) {
    return false;
  }
  *vacant = {key, source.family(), now, kBurst - kCost};
  return true;
}

}  // namespace adit::wireguard
