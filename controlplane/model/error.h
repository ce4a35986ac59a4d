#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>

// Refusals of the model: a canonical code, a sentence that says what to do, a reason for programs
// and the fields of the request that were wrong. They travel as payloads of absl::Status, so that
// the edge can make google.rpc.ErrorInfo and BadRequest of them.
namespace adit::model {

// `field` is a path in the object of the request: "cidrs[1]", "public_key".
struct FieldError {
  std::string field;
  std::string description;
  friend bool operator==(const FieldError&, const FieldError&) = default;
};

// Reasons: UPPER_SNAKE_CASE, unique in the model.
inline constexpr std::string_view kInvalidFields = "INVALID_FIELDS";
inline constexpr std::string_view kNotFound = "NOT_FOUND";
inline constexpr std::string_view kAlreadyExists = "ALREADY_EXISTS";
inline constexpr std::string_view kKeyInUse = "KEY_IN_USE";
inline constexpr std::string_view kKeyPinned = "KEY_PINNED";
inline constexpr std::string_view kEtagMismatch = "ETAG_MISMATCH";
inline constexpr std::string_view kNodeRequired = "NODE_REQUIRED";
inline constexpr std::string_view kNodeInUse = "NODE_IN_USE";
inline constexpr std::string_view kNoAdvertise = "NO_ADVERTISE";
inline constexpr std::string_view kAddressesExhausted = "ADDRESSES_EXHAUSTED";
inline constexpr std::string_view kLimitReached = "LIMIT_REACHED";

[[nodiscard]] absl::Status Refusal(absl::StatusCode code, std::string_view reason,
                                   std::string_view message,
                                   const std::vector<FieldError>& fields = {});

// Collects every wrong field of a request, so that one answer names them all.
class FieldErrors {
 public:
  void Add(std::string_view field, std::string_view description) {
    errors_.push_back({std::string(field), std::string(description)});
  }
  [[nodiscard]] bool empty() const { return errors_.empty(); }
  // OK when empty, else INVALID_ARGUMENT naming each field.
  [[nodiscard]] absl::Status ToStatus() const;

 private:
  std::vector<FieldError> errors_;
};

// Empty when the status has none.
[[nodiscard]] std::vector<FieldError> FieldErrorsOf(const absl::Status& status);
[[nodiscard]] std::string ReasonOf(const absl::Status& status);

}  // namespace adit::model
