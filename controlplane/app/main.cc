// adit-controlplane: the unprivileged process. It keeps the desired state, serves the admin API and
// pushes to the data planes.
#include <cstdio>
#include <optional>

#include "common/config/parser.h"
#include "common/status.h"
#include "controlplane/app/hub_options.h"
#include "controlplane/app/run.h"

int main(int argc, char** argv) {
  adit::app::HubFlags flags;
  adit::config::Parser parser("adit-controlplane",
                              "Keeps who may reach what, and brings it to the data planes.");
  adit::app::Declare(parser, flags);
  if (const std::optional<int> exit_code = parser.ParseMain(argc, argv)) {
    return *exit_code;
  }
  const absl::Status status = adit::app::Run(parser, flags);
  if (!status.ok()) {
    std::fprintf(stderr, "adit-controlplane: %s\n", adit::MessageOf(status).c_str());
    return absl::IsInvalidArgument(status) ? 2 : 1;
  }
  return 0;
}
