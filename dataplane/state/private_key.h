#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "dataplane/crypto/secret.h"
#include "dataplane/state/directory.h"

namespace adit::state {

inline constexpr char kPrivateKeyName[] = "private.key";

// The data plane's own key from the file `private.key` (base64 and a line feed, as `wg genkey`
// prints it), made on the first start. Nothing else holds it: losing the file means a new identity
// that the hub has to be told about, so a file that cannot be used is an error and is never
// replaced.
[[nodiscard]] absl::StatusOr<crypto::Secret<32>> LoadOrCreatePrivateKey(
    const StateDirectory& directory);

}  // namespace adit::state
