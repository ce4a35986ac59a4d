#include "common/status.h"

#include <charconv>

#include <absl/strings/cord.h>
#include <fmt/format.h>

namespace adit {
namespace {

constexpr char kErrnoUrl[] = "adit.errno";

absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

absl::Status ErrnoStatus(int error_number, std::string_view operation_and_object) {
  absl::Status status = absl::ErrnoToStatus(error_number, ToAbsl(operation_and_object));
  if (!status.ok()) {
    status.SetPayload(kErrnoUrl, absl::Cord(fmt::format("{}", error_number)));
  }
  return status;
}

int ErrnoOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kErrnoUrl);
  if (!payload) {
    return 0;
  }
  const std::string text(*payload);
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

absl::Status InvalidArgument(std::string_view m) { return absl::InvalidArgumentError(ToAbsl(m)); }
absl::Status FailedPrecondition(std::string_view m) {
  return absl::FailedPreconditionError(ToAbsl(m));
}
absl::Status NotFound(std::string_view m) { return absl::NotFoundError(ToAbsl(m)); }
absl::Status AlreadyExists(std::string_view m) { return absl::AlreadyExistsError(ToAbsl(m)); }
absl::Status Unavailable(std::string_view m) { return absl::UnavailableError(ToAbsl(m)); }
absl::Status PermissionDenied(std::string_view m) { return absl::PermissionDeniedError(ToAbsl(m)); }
absl::Status Aborted(std::string_view m) { return absl::AbortedError(ToAbsl(m)); }
absl::Status Internal(std::string_view m) { return absl::InternalError(ToAbsl(m)); }
absl::Status ResourceExhausted(std::string_view m) {
  return absl::ResourceExhaustedError(ToAbsl(m));
}
absl::Status DataLoss(std::string_view m) { return absl::DataLossError(ToAbsl(m)); }

absl::Status Annotate(const absl::Status& status, std::string_view prefix) {
  if (status.ok()) {
    return status;
  }
  absl::Status annotated(status.code(), ToAbsl(fmt::format("{}: {}", prefix, MessageOf(status))));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    annotated.SetPayload(url, payload);
  });
  return annotated;
}

std::string MessageOf(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

}  // namespace adit
