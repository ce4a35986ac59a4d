#pragma once

#include "dataplane/uapi/device.h"
#include "dataplane/uapi/secret_text.h"

namespace adit::uapi {

// Which secrets `get` prints.
struct ReportOptions {
  bool with_private_key = false;
  bool with_preshared_keys = false;
  // Adds own_public_key, which readers without the private key cannot derive.
  bool with_own_public_key = false;
};

// The lines of the answer to get=1, without errno and the empty line that end it.
[[nodiscard]] SecretText WriteReport(const DeviceReport& report, const ReportOptions& options);

// "errno=N" and the empty line. N is the errno negated, as the existing userspace devices answer
// and as `wg` takes it.
void AppendErrno(int error, SecretText& out);

}  // namespace adit::uapi
