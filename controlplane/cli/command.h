#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "common/config/parser.h"
#include "controlplane/cli/exit_code.h"
#include "controlplane/cli/session.h"

namespace adit::cli {

// One "NOUN VERB" (or a noun alone). Made for one run: its flags are its members.
class Command {
 public:
  Command() = default;
  virtual ~Command() = default;
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  // Its arguments and flags, besides the global ones. Environment and --config do not set them.
  virtual void Declare(config::Parser& parser) { static_cast<void>(parser); }
  // What went wrong has been said on err when this returns.
  [[nodiscard]] virtual ExitCode Run(Session& session) = 0;
};

struct CommandEntry {
  std::string_view noun;
  std::string_view verb;  // empty: the noun is the whole command
  std::string_view summary;
  std::unique_ptr<Command> (*make)();
};

template <typename T>
[[nodiscard]] std::unique_ptr<Command> Make() {
  return std::make_unique<T>();
}

// One list a noun; Commands puts them together in the order of the help.
[[nodiscard]] std::span<const CommandEntry> NodeCommands();
[[nodiscard]] std::span<const CommandEntry> PeerCommands();
[[nodiscard]] std::span<const CommandEntry> ResourceCommands();
[[nodiscard]] std::span<const CommandEntry> PolicyCommands();
[[nodiscard]] std::span<const CommandEntry> SystemCommands();
[[nodiscard]] std::vector<CommandEntry> Commands();

}  // namespace adit::cli
