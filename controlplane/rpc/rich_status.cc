#include "controlplane/rpc/rich_status.h"

#include "common/status.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace adit::hub {

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) {
    return grpc::Status::OK;
  }
  google::rpc::Status details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(MessageOf(status));

  google::rpc::ErrorInfo info;
  const std::string reason = model::ReasonOf(status);
  info.set_reason(reason.empty() ? absl::StatusCodeToString(status.code()) : reason);
  info.set_domain(std::string(kErrorDomain));
  details.add_details()->PackFrom(info);

  google::rpc::BadRequest bad_request;
  for (const model::FieldError& error : model::FieldErrorsOf(status)) {
    auto* violation = bad_request.add_field_violations();
    violation->set_field(error.field);
    violation->set_description(error.description);
  }
  if (bad_request.field_violations_size() > 0) {
    details.add_details()->PackFrom(bad_request);
  }
  return {static_cast<grpc::StatusCode>(status.code()), MessageOf(status),
          details.SerializeAsString()};
}

absl::Status BadField(std::string_view field, std::string_view description) {
  model::FieldErrors errors;
  errors.Add(field, description);
  return errors.ToStatus();
}

}  // namespace adit::hub
