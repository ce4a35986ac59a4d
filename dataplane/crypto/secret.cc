#include "dataplane/crypto/secret.h"

#include <sodium.h>

#include <cstdio>
#include <cstdlib>

#include "dataplane/crypto/libsodium.h"

namespace adit::crypto {

void InitLibsodium() {
  // sodium_init() takes a lock each time; a static is read without one.
  static const bool ready = sodium_init() >= 0;
  if (!ready) {
    std::fputs("libsodium cannot start: no source of randomness\n", stderr);
    std::abort();
  }
}

void Wipe(MutableByteSpan bytes) { sodium_memzero(bytes.data(), bytes.size()); }

bool ConstantTimeEqual(ByteSpan a, ByteSpan b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

bool IsAllZero(ByteSpan bytes) { return sodium_is_zero(bytes.data(), bytes.size()) == 1; }

}  // namespace adit::crypto
