#include "controlplane/cli/completion.h"

#include <fmt/format.h>

namespace adit::cli {
namespace {

// $noun and $verb are found by skipping flags and the values of the global ones. Names are asked
// from the server with the --server that is on the line.
constexpr std::string_view kFunctions = R"BASH(
_aditctl_names() {
  aditctl ${server:+--server "$server"} --timeout 1s -o name "$1" list 2>/dev/null | sed 's,^[^/]*/,,'
}
_aditctl() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
  local noun= verb= server= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      --server) server=${COMP_WORDS[++i]} ;;
      --output|-o|--timeout|--config) ((++i)) ;;
      -*) ;;
      *) if [ -z "$noun" ]; then noun=${COMP_WORDS[i]}; elif [ -z "$verb" ]; then verb=${COMP_WORDS[i]}; fi ;;
    esac
  done
  case $before in
    -o|--output) COMPREPLY=($(compgen -W 'table json yaml name' -- "$word")); return ;;
    --peer) COMPREPLY=($(compgen -W "$(_aditctl_names peer)" -- "$word")); return ;;
    --resource) COMPREPLY=($(compgen -W "$(_aditctl_names resource)" -- "$word")); return ;;
    --node|--gateway) COMPREPLY=($(compgen -W "$(_aditctl_names node)" -- "$word")); return ;;
    --out|--psk-file|--private-key-file|--config) COMPREPLY=($(compgen -f -- "$word")); return ;;
  esac
  local choices=
)BASH";

}  // namespace

std::string BashCompletion(std::span<const CommandEntry> commands) {
  std::string nouns;
  std::string cases;
  std::string verbs_of_noun;
  std::string_view last;
  const auto end_noun = [&] {
    if (!verbs_of_noun.empty()) {
      cases += fmt::format("    '{} ') choices='{}' ;;\n", last, verbs_of_noun);
    }
    verbs_of_noun.clear();
  };
  for (const CommandEntry& entry : commands) {
    if (entry.noun != last) {
      end_noun();
      nouns += fmt::format("{}{}", nouns.empty() ? "" : " ", entry.noun);
      last = entry.noun;
    }
    if (!entry.verb.empty()) {
      verbs_of_noun += fmt::format("{}{}", verbs_of_noun.empty() ? "" : " ", entry.verb);
    }
    config::Parser parser("aditctl", "");
    GlobalFlags().Declare(parser);
    const std::unique_ptr<Command> command = entry.make();
    command->Declare(parser);
    std::string choices;
    for (const std::string& flag : parser.FlagNames()) {
      choices += fmt::format("{}{}", choices.empty() ? "" : " ", flag);
    }
    const bool takes_name = !entry.verb.empty() && entry.verb != "create" && entry.verb != "list" &&
                            entry.verb != "watch";
    cases +=
        fmt::format("    '{} {}') choices='{}'{} ;;\n", entry.noun, entry.verb, choices,
                    takes_name ? "; [[ $word = -* ]] || choices=$(_aditctl_names \"$noun\")" : "");
  }
  end_noun();
  return fmt::format(
      "# bash completion of aditctl{}  case \"$noun $verb\" in\n    ' ') choices='{}' ;;\n{}  "
      "esac\n  COMPREPLY=($(compgen -W \"$choices\" -- \"$word\"))\n}}\ncomplete -F _aditctl "
      "aditctl\n",
      kFunctions, nouns, cases);
}

}  // namespace adit::cli
