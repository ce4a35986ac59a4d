#pragma once

namespace adit::crypto {

// Lets libsodium choose its implementations for this CPU; every file that calls it for more than
// wiping and comparing does this first. Cheap after the first call, which aborts the process when
// the library cannot start (no source of randomness). Thread: any.
void InitLibsodium();

}  // namespace adit::crypto
