#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <grpcpp/support/status.h>

#include "controlplane/model/error.h"

// Refusals as gRPC carries them: a canonical code, a sentence, and in grpc-status-details-bin a
// google.rpc.Status with an ErrorInfo (domain "adit", a reason in UPPER_SNAKE_CASE) and, where
// fields were wrong, a BadRequest.
namespace adit::hub {

inline constexpr std::string_view kErrorDomain = "adit";

// Reason and fields are those of model/error.h; a status without a reason gets its code's name.
[[nodiscard]] grpc::Status ToGrpcStatus(const absl::Status& status);

// INVALID_ARGUMENT of one field.
[[nodiscard]] absl::Status BadField(std::string_view field, std::string_view description);

}  // namespace adit::hub
