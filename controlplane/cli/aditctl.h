#pragma once

#include <string>
#include <vector>

#include "controlplane/cli/exit_code.h"
#include "controlplane/cli/surroundings.h"

namespace adit::cli {

// The whole program without its process: finds the command that args (without the program's name)
// ask for, parses its flags, runs it, and makes sure that what was printed has been written.
[[nodiscard]] ExitCode RunAditctl(const std::vector<std::string>& args, Surroundings& world);

}  // namespace adit::cli
