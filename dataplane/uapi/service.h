#pragma once

#include "dataplane/uapi/device.h"
#include "dataplane/uapi/report_text.h"
#include "dataplane/uapi/request_parser.h"
#include "dataplane/uapi/secret_text.h"

namespace adit::uapi {

struct ServiceOptions {
  // `get` only, without keys and with own_public_key; `set` answers EPERM.
  bool is_read_only = false;
  // The private key is left out of `get` for everybody.
  bool hides_private_key = false;
};

// Answers whole requests: what each caller may see and do.
//
// Thread: the server's. Borrows the device.
class Service {
 public:
  Service(Device& device, const ServiceOptions& options) : device_(device), options_(options) {}

  // The complete request's answer, ending in errno and an empty line. Keys are printed only for
  // uid 0. A refused request is logged (INFO) with the reason, since the protocol carries a number
  // only.
  [[nodiscard]] SecretText Answer(const RequestParser& request, unsigned caller_uid);

 private:
  [[nodiscard]] SecretText AnswerGet(unsigned caller_uid);
  [[nodiscard]] int AnswerSet(const SetRequest& request);

  Device& device_;
  const ServiceOptions options_;
};

}  // namespace adit::uapi
