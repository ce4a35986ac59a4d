#pragma once

#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

// Errors at the edges (set-up, files, channel). The packet path has DropReason and small enums.
namespace adit {

// A status with operation, object and errno in its message: "open /dev/net/tun: Permission denied".
// The code is absl::ErrnoToStatusCode's; ErrnoOf gives the number back.
[[nodiscard]] absl::Status ErrnoStatus(int error_number, std::string_view operation_and_object);
// 0 when the status did not come from ErrnoStatus.
[[nodiscard]] int ErrnoOf(const absl::Status& status);

[[nodiscard]] absl::Status InvalidArgument(std::string_view message);
[[nodiscard]] absl::Status FailedPrecondition(std::string_view message);
[[nodiscard]] absl::Status NotFound(std::string_view message);
[[nodiscard]] absl::Status AlreadyExists(std::string_view message);
[[nodiscard]] absl::Status Unavailable(std::string_view message);
[[nodiscard]] absl::Status PermissionDenied(std::string_view message);
[[nodiscard]] absl::Status Aborted(std::string_view message);
[[nodiscard]] absl::Status Internal(std::string_view message);
[[nodiscard]] absl::Status ResourceExhausted(std::string_view message);
[[nodiscard]] absl::Status DataLoss(std::string_view message);

// The same code with "prefix: " before the message; OK stays OK.
[[nodiscard]] absl::Status Annotate(const absl::Status& status, std::string_view prefix);
[[nodiscard]] std::string MessageOf(const absl::Status& status);

}  // namespace adit

#define ADIT_CONCAT_INNER(a, b) a##b
#define ADIT_CONCAT(a, b) ADIT_CONCAT_INNER(a, b)
#define RETURN_IF_ERROR(expression)                                   \
  do {                                                                \
    if (absl::Status adit_status = (expression); !adit_status.ok()) { \
      return adit_status;                                             \
    }                                                                 \
  } while (false)
#define ASSIGN_OR_RETURN(left, expression) \
  ASSIGN_OR_RETURN_INNER(ADIT_CONCAT(adit_statusor_, __LINE__), left, expression)
// NOLINTBEGIN(bugprone-macro-parentheses): `left` may declare.
#define ASSIGN_OR_RETURN_INNER(statusor, left, expression) \
  auto statusor = (expression);                            \
  if (!statusor.ok()) {                                    \
    return statusor.status();                              \
  }                                                        \
  left = std::move(statusor).value()
// NOLINTEND(bugprone-macro-parentheses)
