#pragma once

#include <absl/status/statusor.h>

#include "adit/admin/v1/peer.pb.h"
#include "controlplane/cli/client_key.h"
#include "controlplane/cli/secret_text.h"

namespace adit::cli {

// The wg-quick file of a peer. Without a private key a comment says where to put it; preshared
// replaces the export's own if given. Every value is judged before it is written, so that a server
// cannot put lines of its own (PostUp runs as root) into the file: INTERNAL names what is wrong.
[[nodiscard]] absl::StatusOr<SecretText> WgQuickText(const admin::v1::PeerExport& exported,
                                                     const ClientKey* private_key,
                                                     const ClientKey* preshared_key);

}  // namespace adit::cli
