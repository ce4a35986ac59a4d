#pragma once

#include <span>
#include <string>

#include "controlplane/cli/command.h"

namespace adit::cli {

// A bash script that completes nouns, verbs, flags and the names of what the server holds.
[[nodiscard]] std::string BashCompletion(std::span<const CommandEntry> commands);

}  // namespace adit::cli
