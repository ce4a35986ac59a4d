#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/config/checks.h"
#include "common/config/flag.h"
#include "common/config/values.h"

namespace adit::config {

// Looks one variable up; nullptr when it is not set.
using Environment = std::function<const char*(const char* name)>;
[[nodiscard]] Environment SystemEnvironment();

// What to do after parsing: go on, or print Help() or Version() and exit 0.
enum class Parsed { kRun, kHelp, kVersion };

// Which keys another reading of the file changed.
struct Reloaded {
  std::vector<std::string> applied;        // reloadable: their targets are set
  std::vector<std::string> needs_restart;  // all others: their targets keep what they had
};

// A program's flags, declared once, read from the command line, else the environment
// (ADIT_<FLAG>: "--tun-name" is ADIT_TUN_NAME), else the YAML file of --config (same names without
// dashes; a list is a sequence), else the value the target had when it was declared. --help,
// --version and --config are always there.
//
//   Options options;
//   Parser parser("adit-dataplane", "the privileged process");
//   parser.Flag("mtu", &options.mtu, "BYTES", "MTU of the tunnel", Between(576U, 65475U));
//   parser.Flag("allow-route", &options.allow_route, "PREFIX", "…");   // a vector: may repeat
//   parser.Flag("log-level", &options.log_level, "LEVEL", "…").Reloadable();
//   if (const auto exit_code = parser.ParseMain(argc, argv)) return *exit_code;
//
// Nothing is set unless everything is right. Errors are INVALID_ARGUMENT and name the key, where it
// came from, the value and what was expected: "--mtu: "12": expected 576 to 65475". Unknown
// flags and file keys are errors; a flag that is not a list given twice too. Lists of strings are
// split at commas only in the environment; lists of prefixes and numbers everywhere.
// Not thread-safe; targets must outlive it.
class Parser {
 public:
  Parser(std::string program, std::string description);
  ~Parser();
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  // names: "mtu", or "output,o" with a one-letter form. T: a type of values.h, std::optional of one
  // (unset without a value), or std::vector of one.
  template <typename T>
  FlagHandle Flag(std::string_view names, T* target, std::string_view value_name,
                  std::string_view help, Check<ElementOf<T>> check = {}) {
    return Declare(names, value_name, help, ShapeOf<T>(), MakeBinding<T>(target, std::move(check)));
  }
  // A flag without a value: "--foreground" sets true; in the file and environment on or off.
  FlagHandle Switch(std::string_view names, bool* target, std::string_view help);
  // An argument without a flag, in order. A vector takes all that are left; else it is required
  // unless T is an optional.
  template <typename T>
  void Positional(std::string_view name, T* target, std::string_view help,
                  Check<ElementOf<T>> check = {}) {
    DeclarePositional(name, help, ShapeOf<T>(), MakeBinding<T>(target, std::move(check)));
  }

  // For main: parses, prints help, version or the error, and returns the exit code then (0 or 2).
  [[nodiscard]] std::optional<int> ParseMain(int argc, const char* const* argv);
  // args are without the program's name.
  [[nodiscard]] absl::StatusOr<Parsed> Parse(const std::vector<std::string>& args,
                                             const Environment& environment = SystemEnvironment());
  // Reads the --config file again, with the flags and environment of the last Parse. On an error,
  // and without a --config (OK and empty), nothing changes.
  [[nodiscard]] absl::StatusOr<Reloaded> Reload();

  // The index of the first argument that is neither a flag declared here nor such a flag's value;
  // args.size() if there is none. For programs with commands.
  [[nodiscard]] std::size_t FirstWord(std::span<const std::string> args) const;

  [[nodiscard]] std::string Help() const;
  // "--mtu" and so on, in the order of declaration; for completion.
  [[nodiscard]] std::vector<std::string> FlagNames() const;
  [[nodiscard]] std::string Version() const;  // "adit-dataplane 0.1.0"

 private:
  struct Impl;
  FlagHandle Declare(std::string_view names, std::string_view value_name, std::string_view help,
                     Shape shape, Binding binding);
  void DeclarePositional(std::string_view name, std::string_view help, Shape shape,
                         Binding binding);
  std::unique_ptr<Impl> impl_;
};

}  // namespace adit::config
