#include "controlplane/cli/aditctl.h"

#include <algorithm>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "common/config/nearest.h"
#include "common/status.h"
#include "controlplane/cli/command.h"

namespace adit::cli {
namespace {

constexpr std::string_view kDescription =
    "Sees and changes what an Adit control plane holds.\n"
    "  aditctl [--server unix:/run/adit/admin.sock] [-o table|json|yaml|name] [--timeout 10s] "
    "NOUN VERB NAME\n";

std::string_view ExitCodesText() {
  return "\nExit: 0 ok, 1 failed, 2 usage, 3 not found, 4 permission, 5 conflict, 6 unavailable, "
         "no answer in time\nor a removal that may not be in force yet, 7 nothing is connected "
         "(status), 130 interrupted.\n";
}

// The commands of one noun, or of all.
std::string ListOf(std::span<const CommandEntry> commands, std::string_view noun) {
  std::string text = "\nCommands (each has --help):\n";
  for (const CommandEntry& entry : commands) {
    if (noun.empty() || noun == entry.noun) {
      text +=
          fmt::format("  {:<22}{}\n", fmt::format("{} {}", entry.noun, entry.verb), entry.summary);
    }
  }
  return text;
}

// The command's words and the rest of the arguments.
struct Words {
  std::string noun;
  std::string verb;
  std::vector<std::string> rest;
};

class Dispatcher {
 public:
  Dispatcher(const std::vector<std::string>& args, Surroundings& world)
      : args_(args), world_(world), commands_(Commands()) {}

  ExitCode Run() {
    GlobalFlags flags;
    config::Parser globals("aditctl", std::string(kDescription));
    flags.Declare(globals);
    Words words;
    words.rest = args_;
    words.noun = TakeWord(globals, words.rest);
    if (words.noun.empty() || words.noun == "help") {
      return WithoutCommand(globals, words);
    }
    const CommandEntry* entry = Find(words.noun, "");
    if (entry == nullptr) {
      words.verb = TakeWord(globals, words.rest);
      entry = Find(words.noun, words.verb);
    }
    return entry == nullptr ? Unknown(globals, words) : RunCommand(*entry, words);
  }

 private:
  // Removes and returns the first word that is not a global flag or its value; "" if there is none.
  static std::string TakeWord(const config::Parser& globals, std::vector<std::string>& args) {
    const std::size_t at = globals.FirstWord(args);
    if (at == args.size()) {
      return {};
    }
    std::string word = args[at];
    args.erase(args.begin() + static_cast<std::ptrdiff_t>(at));
    return word;
  }

  const CommandEntry* Find(std::string_view noun, std::string_view verb) const {
    const auto found = std::ranges::find_if(commands_, [&](const CommandEntry& entry) {
      return entry.noun == noun && entry.verb == verb;
    });
    return found == commands_.end() ? nullptr : &*found;
  }

  ExitCode UsageError(std::string_view text) {
    world_.err << "aditctl: " << text << "\n";
    return ExitCode::kUsage;
  }

  // No noun: --help, --version or a mistake.
  ExitCode WithoutCommand(config::Parser& globals, const Words& words) {
    const auto parsed = globals.Parse(words.rest, world_.environment);
    if (!parsed.ok()) {
      return UsageError(MessageOf(parsed.status()));
    }
    if (*parsed == config::Parsed::kVersion) {
      world_.out << globals.Version() << "\n";
      return ExitCode::kOk;
    }
    if (*parsed == config::Parsed::kHelp || words.noun == "help") {
      world_.out << globals.Help() << ListOf(commands_, "") << ExitCodesText();
      return ExitCode::kOk;
    }
    return UsageError("expected a command, as in aditctl peer list; see aditctl --help");
  }

  ExitCode Unknown(config::Parser& globals, const Words& words) {
    std::vector<std::string_view> candidates;
    const bool is_noun_known =
        std::ranges::find(commands_, words.noun, &CommandEntry::noun) != commands_.end();
    for (const CommandEntry& entry : commands_) {
      if (!is_noun_known) {
        candidates.push_back(entry.noun);
      } else if (entry.noun == words.noun) {
        candidates.push_back(entry.verb);
      }
    }
    if (is_noun_known && words.verb.empty()) {
      const auto parsed = globals.Parse(words.rest, world_.environment);
      if (parsed.ok() && *parsed == config::Parsed::kHelp) {
        world_.out << ListOf(commands_, words.noun);
        return ExitCode::kOk;
      }
    }
    const std::string& typed = is_noun_known ? words.verb : words.noun;
    const auto nearest = config::Nearest(typed, candidates);
    return UsageError(
        fmt::format("{}{}: {}; expected {}", is_noun_known ? words.noun + " " : "", typed,
                    is_noun_known ? "unknown verb" : "unknown command",
                    nearest ? fmt::format("perhaps {}", *nearest)
                            : fmt::format("one of {}", fmt::join(Unique(candidates), ", "))));
  }

  static std::vector<std::string_view> Unique(std::vector<std::string_view> names) {
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
  }

  ExitCode RunCommand(const CommandEntry& entry, const Words& words) {
    const std::string name =
        entry.verb.empty() ? std::string(entry.noun) : fmt::format("{} {}", entry.noun, entry.verb);
    GlobalFlags flags;
    config::Parser parser("aditctl " + name, std::string(entry.summary));
    flags.Declare(parser);
    const std::unique_ptr<Command> command = entry.make();
    command->Declare(parser);
    const auto parsed = parser.Parse(words.rest, world_.environment);
    if (!parsed.ok()) {
      return UsageError(fmt::format("{}: {}", name, MessageOf(parsed.status())));
    }
    if (*parsed != config::Parsed::kRun) {
      world_.out << (*parsed == config::Parsed::kHelp ? parser.Help() : parser.Version() + "\n");
      return ExitCode::kOk;
    }
    Session session(flags, name, world_);
    return command->Run(session);
  }

  const std::vector<std::string>& args_;
  Surroundings& world_;
  const std::vector<CommandEntry> commands_;
};

}  // namespace

std::vector<CommandEntry> Commands() {
  std::vector<CommandEntry> all;
  for (const auto commands :
       {NodeCommands(), PeerCommands(), ResourceCommands(), PolicyCommands(), SystemCommands()}) {
    all.insert(all.end(), commands.begin(), commands.end());
  }
  return all;
}

ExitCode RunAditctl(const std::vector<std::string>& args, Surroundings& world) {
  const ExitCode code = Dispatcher(args, world).Run();
  world.out.flush();
  if (!world.out && code == ExitCode::kOk) {
    world.err << "aditctl: write to standard output: it does not take what was printed\n";
    return ExitCode::kFailed;
  }
  return code;
}

}  // namespace adit::cli
