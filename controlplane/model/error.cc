#include "controlplane/model/error.h"

#include <absl/strings/cord.h>

namespace adit::model {
namespace {

constexpr char kReasonUrl[] = "adit.model/reason";
constexpr char kFieldsUrl[] = "adit.model/fields";
// Between and after the parts of the field payload: descriptions quote input, which field checks
// have rid of nothing, so neither byte is taken from it.
constexpr char kUnit = '\x1f';
constexpr char kRecord = '\x1e';

std::string WithoutSeparators(std::string text) {
  for (char& c : text) {
    if (c == kUnit || c == kRecord) {
      c = '?';
    }
  }
  return text;
}

std::string PayloadOf(const absl::Status& status, const char* url) {
  const auto payload = status.GetPayload(url);
  return payload ? std::string(*payload) : std::string();
}

}  // namespace

absl::Status Refusal(absl::StatusCode code, std::string_view reason, std::string_view message,
                     const std::vector<FieldError>& fields) {
  absl::Status status(code, absl::string_view(message.data(), message.size()));
  status.SetPayload(kReasonUrl, absl::Cord(absl::string_view(reason.data(), reason.size())));
  std::string encoded;
  for (const FieldError& error : fields) {
    encoded +=
        WithoutSeparators(error.field) + kUnit + WithoutSeparators(error.description) + kRecord;
  }
  if (!encoded.empty()) {
    status.SetPayload(kFieldsUrl, absl::Cord(encoded));
  }
  return status;
}

absl::Status FieldErrors::ToStatus() const {
  if (errors_.empty()) {
    return absl::OkStatus();
  }
  std::string message;
  for (const FieldError& error : errors_) {
    message += (message.empty() ? "" : "; ") + error.field + ": " + error.description;
  }
  return Refusal(absl::StatusCode::kInvalidArgument, kInvalidFields, message, errors_);
}

std::vector<FieldError> FieldErrorsOf(const absl::Status& status) {
  const std::string encoded = PayloadOf(status, kFieldsUrl);
  std::vector<FieldError> fields;
  for (std::size_t start = 0; start < encoded.size();) {
    const std::size_t unit = encoded.find(kUnit, start);
    const std::size_t record = encoded.find(kRecord, start);
    if (unit == std::string::npos || record == std::string::npos || unit > record) {
      break;
    }
    fields.push_back(
        {encoded.substr(start, unit - start), encoded.substr(unit + 1, record - unit - 1)});
    start = record + 1;
  }
  return fields;
}

std::string ReasonOf(const absl::Status& status) { return PayloadOf(status, kReasonUrl); }

}  // namespace adit::model
