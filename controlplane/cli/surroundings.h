#pragma once

#include <functional>
#include <istream>
#include <memory>
#include <ostream>
#include <string>

#include <absl/status/statusor.h>
#include <grpcpp/channel.h>

#include "common/config/parser.h"
#include "common/random.h"
#include "common/time.h"
#include "controlplane/cli/interrupt.h"

namespace adit::cli {

// Everything of the world that a command touches, besides the files it is told to.
struct Surroundings {
  std::ostream& out;  // data
  std::ostream& err;  // everything else
  std::istream& in;
  config::Environment environment;
  const Clock& clock;
  RandomSource& random;
  Interrupt& interrupt;
  // A channel to the address of --server.
  std::function<absl::StatusOr<std::shared_ptr<grpc::Channel>>(const std::string& address)> dial;
};

}  // namespace adit::cli
