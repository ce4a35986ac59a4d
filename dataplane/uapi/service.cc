#include "dataplane/uapi/service.h"

#include <cerrno>

#include "common/log.h"

namespace adit::uapi {
namespace {

int ErrorNumberOf(const absl::Status& status) {
  if (status.ok()) {
    return 0;
  }
  const int error = ErrnoOf(status);
  return error != 0 ? error : EIO;
}

}  // namespace

SecretText Service::Answer(const RequestParser& request, unsigned caller_uid) {
  SecretText answer;
  if (request.error().error != 0) {
    LOG_INFO("uapi: refused a request and applied nothing of it: {}", request.error().text);
    AppendErrno(request.error().error, answer);
  } else if (request.operation() == Operation::kGet) {
    answer = AnswerGet(caller_uid);
  } else {
    AppendErrno(AnswerSet(request.set_request()), answer);
  }
  return answer;
}

SecretText Service::AnswerGet(unsigned caller_uid) {
  const auto report = device_.Report();
  if (!report.ok()) {
    LOG_INFO("uapi: get: {}", MessageOf(report.status()));
    SecretText answer;
    AppendErrno(ErrorNumberOf(report.status()), answer);
    return answer;
  }
  const bool may_see_keys = caller_uid == 0 && !options_.is_read_only;
  SecretText answer =
      WriteReport(*report, {.with_private_key = may_see_keys && !options_.hides_private_key,
                            .with_preshared_keys = may_see_keys,
                            .with_own_public_key = options_.is_read_only});
  AppendErrno(0, answer);
  return answer;
}

int Service::AnswerSet(const SetRequest& request) {
  if (options_.is_read_only) {
    LOG_INFO(
        "uapi: refused to change the device: the control plane owns its configuration, use "
        "aditctl (peer, resource, policy) instead of wg");
    return EPERM;
  }
  const absl::Status status = device_.Apply(request);
  if (!status.ok()) {
    LOG_INFO("uapi: set: {}", MessageOf(status));
  }
  return ErrorNumberOf(status);
}

}  // namespace adit::uapi
