#pragma once

#include <string>
#include <string_view>

#include <google/protobuf/message.h>

#include "adit/admin/v1/common.pb.h"
#include "common/config/parser.h"
#include "controlplane/cli/session.h"

namespace adit::cli {

// The flags every changing command has.
struct MutationFlags {
  bool is_dry_run = false;
  bool is_no_wait = false;
  std::string etag;

  // has_etag: whether the change can be bound to what was read (all but create).
  void Declare(config::Parser& parser, bool has_etag);
  // A fresh request id; the wait leaves the answer time to come back within --timeout.
  [[nodiscard]] admin::v1::MutationOptions ToOptions(Session& session) const;
};

// A change and what is said about it.
struct Mutated {
  std::string_view noun;  // "peer"
  std::string name;
  std::string_view done;      // "created"
  bool is_out_taken = false;  // stdout already holds other data: the report goes to err
};

// Says whether the change is stored and how it went at each node: on stdout for people, on err
// beside JSON, YAML or the bare name. 0 only if every connected node acknowledged; 1 if one
// rejected; 6 if one did not answer in time (unless --no-wait) or an offline one may still forward
// what was removed.
[[nodiscard]] ExitCode FinishMutation(Session& session, const MutationFlags& flags,
                                      const Mutated& mutated,
                                      const google::protobuf::Message& mutation,
                                      const admin::v1::MutationResult& result);

// Says why it failed and whether the change is stored: not, or not known.
[[nodiscard]] ExitCode FailMutation(Session& session, const MutationFlags& flags,
                                    const Mutated& mutated, const grpc::Status& status);

// Whether the change may be stored although the call failed.
[[nodiscard]] bool IsOutcomeUnknown(const Session& session, const MutationFlags& flags,
                                    const grpc::Status& status);

}  // namespace adit::cli
