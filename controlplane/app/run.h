#pragma once

#include <absl/status/status.h>

#include "common/config/parser.h"
#include "controlplane/app/hub_options.h"

namespace adit::app {

// The hub, until SIGTERM or SIGINT: OK then. SIGHUP reads the file of --config again and takes over
// what may change while it runs. Errors say what to do; nothing is left listening.
//
// Call it in main, before any thread. `flags` are the parser's targets.
[[nodiscard]] absl::Status Run(config::Parser& parser, HubFlags& flags);

}  // namespace adit::app
