#pragma once

#include <grpcpp/support/status.h>

namespace adit::cli {

// What aditctl's exit status says; scripts rely on the numbers.
enum class ExitCode : int {
  kOk = 0,
  kFailed = 1,  // the server, a node or this machine refused
  kUsage = 2,   // the command line, or a value that the server does not accept
  kNotFound = 3,
  kPermission = 4,   // or unauthenticated
  kConflict = 5,     // exists already, or another etag
  kUnavailable = 6,  // not reachable, no answer in time, or a removal that may not be in force yet
  kCheckFailed = 7,  // status: nothing is connected
  kInterrupted = 130,
};

// Of a call that failed; kOk for OK.
[[nodiscard]] ExitCode ExitCodeOf(grpc::StatusCode code);

// Whether a mutation that ended with this code may have been stored all the same: the answer, not
// the request, was lost.
[[nodiscard]] bool MayBeStored(grpc::StatusCode code);

}  // namespace adit::cli
