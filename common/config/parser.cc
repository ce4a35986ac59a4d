#include "common/config/parser.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <iostream>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "common/config/nearest.h"
#include "common/config/yaml_keys.h"
#include "common/status.h"

namespace adit::config {
namespace {

using Texts = Binding::Texts;

std::string EnvironmentName(std::string_view flag) {
  std::string name = "ADIT_";
  for (const char c : flag) {
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

Texts SplitAtCommas(const Texts& texts) {
  Texts parts;
  for (std::string_view text : texts) {
    while (!text.empty()) {
      const std::size_t comma = std::min(text.find(','), text.size());
      parts.emplace_back(text.substr(0, comma));
      text.remove_prefix(std::min(comma + 1, text.size()));
    }
  }
  return parts;
}

bool IsList(Shape shape) { return shape == Shape::kList || shape == Shape::kTextList; }

}  // namespace

Environment SystemEnvironment() {
  return [](const char* name) -> const char* { return std::getenv(name); };
}

struct Parser::Impl {
  struct Declared {
    std::string name;  // without dashes
    char letter = 0;   // 0: none
    std::string value_name;
    std::string help;
    Shape shape = Shape::kSingle;
    Binding binding;
    FlagHandle::Traits traits;
    bool is_positional = false;

    [[nodiscard]] std::string key() const { return is_positional ? name : "--" + name; }
  };
  // What one source says about a flag; where is for error texts.
  struct Given {
    std::optional<Texts> texts;
    std::string where;
    friend bool operator==(const Given& a, const Given& b) { return a.texts == b.texts; }
  };
  using AllGiven = std::vector<Given>;  // one for each declared, in order

  std::string program;
  std::string description;
  std::vector<std::unique_ptr<Declared>> declared;
  // Of the last Parse that went well.
  AllGiven from_command_line;
  AllGiven effective;
  Environment environment;
  std::string config_path;

  Declared* Find(std::string_view name) const {
    for (const auto& flag : declared) {
      if (!flag->is_positional && flag->name == name) {
        return flag.get();
      }
    }
    return nullptr;
  }

  // Fills app with the flags; each found text goes to (*given)[i]. Words without a flag are left in
  // app.remaining(): CLI11 would take brackets in them for lists.
  void Build(CLI::App& app, AllGiven* given) const;
  absl::Status ReadCommandLine(const std::vector<std::string>& args, AllGiven* given) const;
  absl::Status PlaceWords(const Texts& words, AllGiven* given) const;
  absl::StatusOr<AllGiven> AddEnvironmentAndFile(AllGiven given) const;
  absl::Status AddFile(AllGiven& given) const;
  absl::StatusOr<std::vector<Binding::Commit>> Prepare(const AllGiven& given) const;
  [[nodiscard]] std::string Unknown(std::string_view what, std::string_view name,
                                    std::string_view dashes) const;
};

void Parser::Impl::Build(CLI::App& app, AllGiven* given) const {
  app.description(description);
  app.set_help_flag();
  app.allow_extras();
  app.get_formatter()->column_width(36);
  for (std::size_t i = 0; i < declared.size(); ++i) {
    const Declared& flag = *declared[i];
    if (flag.is_positional) {
      continue;
    }
    std::string names = flag.key();
    if (flag.letter != 0) {
      names = fmt::format("-{},{}", flag.letter, names);
    }
    Given* out = &(*given)[i];
    out->where = flag.key();
    std::string help = flag.help;
    if (flag.shape == Shape::kSwitch) {
      app.add_flag_function(
             names, [out](std::int64_t) { out->texts = Texts{"on"}; }, help)
          ->disable_flag_override();
      continue;
    }
    if (IsList(flag.shape)) {
      help += " (may repeat)";
    }
    if (!flag.binding.default_text.empty()) {
      help += fmt::format(" [{}]", flag.binding.default_text);
    }
    CLI::Option* option = app.add_option(
        names,
        [out](const CLI::results_t& results) {
          out->texts = results;
          return true;
        },
        help);
    // Never split or unbracketed by CLI11; how often is judged by us.
    option->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    option->allow_extra_args(false);
    option->type_name(flag.value_name);
  }
}

std::string Parser::Impl::Unknown(std::string_view what, std::string_view name,
                                  std::string_view dashes) const {
  std::vector<std::string_view> names;
  for (const auto& flag : declared) {
    if (!flag->is_positional) {
      names.push_back(flag->name);
    }
  }
  const auto nearest = Nearest(name, names);
  return fmt::format("{}{}: unknown {}; expected {}", dashes, name, what,
                     nearest ? fmt::format("perhaps {}{}", dashes, *nearest)
                             : fmt::format("one of those that {} --help lists", program));
}

absl::Status Parser::Impl::ReadCommandLine(const std::vector<std::string>& args,
                                           AllGiven* given) const {
  const auto flags_end = std::ranges::find(args, "--");
  CLI::App app;
  Build(app, given);
  try {
    app.parse(std::vector<std::string>(std::reverse_iterator(flags_end), args.rend()));
  } catch (const CLI::ArgumentMismatch& error) {
    return InvalidArgument(fmt::format("{}; expected a value after the flag", error.what()));
  } catch (const CLI::ParseError& error) {
    return InvalidArgument(error.what());
  }
  Texts words = app.remaining();
  for (const std::string& word : words) {
    if (word.size() > 1 && word.starts_with('-')) {
      const std::string_view flag = std::string_view(word).substr(0, word.find('='));
      const std::size_t name_at = std::min(flag.find_first_not_of('-'), flag.size());
      return InvalidArgument(Unknown("flag", flag.substr(name_at), flag.substr(0, name_at)));
    }
  }
  if (flags_end != args.end()) {
    words.insert(words.end(), flags_end + 1, args.end());
  }
  RETURN_IF_ERROR(PlaceWords(words, given));
  for (std::size_t i = 0; i < declared.size(); ++i) {
    const bool is_once = !(*given)[i].texts || (*given)[i].texts->size() == 1;
    if (!is_once && !IsList(declared[i]->shape)) {
      return InvalidArgument(fmt::format("{}: given {} times; expected once", declared[i]->key(),
                                         (*given)[i].texts->size()));
    }
  }
  return absl::OkStatus();
}

absl::Status Parser::Impl::PlaceWords(const Texts& words, AllGiven* given) const {
  auto word = words.begin();
  for (std::size_t i = 0; i < declared.size() && word != words.end(); ++i) {
    if (!declared[i]->is_positional) {
      continue;
    }
    const auto end = IsList(declared[i]->shape) ? words.end() : word + 1;
    (*given)[i] = Given{Texts(word, end), declared[i]->name};
    word = end;
  }
  return word == words.end() ? absl::OkStatus()
                             : InvalidArgument(fmt::format(
                                   "\"{}\": unexpected argument; see {} --help", *word, program));
}

absl::Status Parser::Impl::AddFile(AllGiven& given) const {
  ASSIGN_OR_RETURN(const YamlKeys keys, ReadYamlKeys(config_path));
  for (const auto& [name, key] : keys) {
    const std::string where = fmt::format("{}:{}: ", config_path, key.line);
    const Declared* flag = name == "config" ? nullptr : Find(name);
    if (flag == nullptr) {
      return InvalidArgument(where + Unknown("key", name, ""));
    }
    if (flag->traits.is_command_line_only) {
      return InvalidArgument(fmt::format("{}{}: expected on the command line only", where, name));
    }
    if (key.is_sequence && !IsList(flag->shape)) {
      return InvalidArgument(fmt::format("{}{}: a list; expected one value", where, name));
    }
    const auto at = std::ranges::find_if(declared, [&](const auto& d) { return d.get() == flag; });
    Given& slot = given[static_cast<std::size_t>(at - declared.begin())];
    if (!slot.texts) {
      slot = Given{key.values, where + name};
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Parser::Impl::AllGiven> Parser::Impl::AddEnvironmentAndFile(AllGiven given) const {
  for (std::size_t i = 0; i < declared.size(); ++i) {
    const Declared& flag = *declared[i];
    if (given[i].texts || flag.is_positional || flag.traits.is_command_line_only) {
      continue;
    }
    const std::string name = EnvironmentName(flag.name);
    if (const char* value = environment(name.c_str())) {
      given[i] = Given{IsList(flag.shape) ? SplitAtCommas({value}) : Texts{value}, name};
    }
  }
  if (!config_path.empty()) {
    RETURN_IF_ERROR(AddFile(given));
  }
  for (std::size_t i = 0; i < declared.size(); ++i) {
    if (given[i].texts && declared[i]->shape == Shape::kList) {
      given[i].texts = SplitAtCommas(*given[i].texts);
    }
  }
  return given;
}

absl::StatusOr<std::vector<Binding::Commit>> Parser::Impl::Prepare(const AllGiven& given) const {
  std::vector<Binding::Commit> commits(declared.size());
  for (std::size_t i = 0; i < declared.size(); ++i) {
    const Declared& flag = *declared[i];
    if (flag.is_positional && flag.shape == Shape::kSingle && !given[i].texts) {
      return InvalidArgument(fmt::format("{0}: missing; expected {0}: {1}", flag.name, flag.help));
    }
    if (const auto misfit = flag.binding.prepare(given[i].texts, &commits[i])) {
      return InvalidArgument(
          fmt::format("{}: \"{}\": {}", given[i].where, misfit->text, misfit->expected));
    }
  }
  return commits;
}

Parser::Parser(std::string program, std::string description) : impl_(std::make_unique<Impl>()) {
  impl_->program = std::move(program);
  impl_->description = std::move(description);
  // Their values are read where they are given, before the others are judged.
  const auto no_binding = [] {
    Binding binding;
    binding.prepare = [](const std::optional<Texts>&, Binding::Commit* commit) {
      *commit = [] {};
      return std::optional<Misfit>();
    };
    return binding;
  };
  Declare("help,h", "", "print this and exit", Shape::kSwitch, no_binding()).CommandLineOnly();
  Declare("version", "", "print the version and exit", Shape::kSwitch, no_binding())
      .CommandLineOnly();
  Declare("config", "FILE", "YAML file of the same names, without dashes", Shape::kSingle,
          no_binding())
      .CommandLineOnly();
}

Parser::~Parser() = default;

FlagHandle Parser::Switch(std::string_view names, bool* target, std::string_view help) {
  Binding binding = MakeBinding<bool>(target, {});
  binding.default_text.clear();
  return Declare(names, "", help, Shape::kSwitch, std::move(binding));
}

FlagHandle Parser::Declare(std::string_view names, std::string_view value_name,
                           std::string_view help, Shape shape, Binding binding) {
  auto flag = std::make_unique<Impl::Declared>();
  const std::size_t comma = names.find(',');
  flag->name = names.substr(0, comma);
  flag->letter = comma == std::string_view::npos ? '\0' : names.at(comma + 1);
  flag->value_name = value_name;
  flag->help = help;
  flag->shape = shape;
  flag->binding = std::move(binding);
  return FlagHandle(&impl_->declared.emplace_back(std::move(flag))->traits);
}

void Parser::DeclarePositional(std::string_view name, std::string_view help, Shape shape,
                               Binding binding) {
  Declare(name, "", help, shape, std::move(binding));
  impl_->declared.back()->is_positional = true;
}

absl::StatusOr<Parsed> Parser::Parse(const std::vector<std::string>& args,
                                     const Environment& environment) {
  Impl::AllGiven given(impl_->declared.size());
  RETURN_IF_ERROR(impl_->ReadCommandLine(args, &given));
  const auto texts_of = [&](std::size_t i) { return given[i].texts; };  // in declaration order
  if (texts_of(0)) {
    return Parsed::kHelp;
  }
  if (texts_of(1)) {
    return Parsed::kVersion;
  }
  const char* from_environment = environment("ADIT_CONFIG");
  const std::string old_path = impl_->config_path;
  const Environment old_environment = impl_->environment;
  impl_->config_path = texts_of(2)        ? texts_of(2)->front()
                       : from_environment ? from_environment
                                          : "";
  impl_->environment = environment;
  absl::StatusOr<std::vector<Binding::Commit>> commits;
  auto effective = impl_->AddEnvironmentAndFile(given);
  commits = effective.ok() ? impl_->Prepare(*effective) : effective.status();
  if (!commits.ok()) {
    impl_->config_path = old_path;
    impl_->environment = old_environment;
    return commits.status();
  }
  for (const Binding::Commit& commit : *commits) {
    commit();
  }
  impl_->from_command_line = std::move(given);
  impl_->effective = *std::move(effective);
  return Parsed::kRun;
}

absl::StatusOr<Reloaded> Parser::Reload() {
  Reloaded reloaded;
  if (impl_->config_path.empty()) {
    return reloaded;
  }
  ASSIGN_OR_RETURN(Impl::AllGiven effective,
                   impl_->AddEnvironmentAndFile(impl_->from_command_line));
  ASSIGN_OR_RETURN(const auto commits, impl_->Prepare(effective));
  for (std::size_t i = 0; i < effective.size(); ++i) {
    if (effective[i] == impl_->effective[i]) {
      continue;
    }
    const Impl::Declared& flag = *impl_->declared[i];
    if (!flag.traits.is_reloadable) {
      reloaded.needs_restart.push_back(flag.name);
      continue;
    }
    commits[i]();
    impl_->effective[i] = effective[i];
    reloaded.applied.push_back(flag.name);
  }
  return reloaded;
}

std::optional<int> Parser::ParseMain(int argc, const char* const* argv) {
  const auto parsed = Parse(std::vector<std::string>(argv + std::min(argc, 1), argv + argc));
  if (!parsed.ok()) {
    std::cerr << impl_->program << ": " << MessageOf(parsed.status()) << "\n";
    return 2;
  }
  if (*parsed == Parsed::kRun) {
    return std::nullopt;
  }
  std::cout << (*parsed == Parsed::kHelp ? Help() : Version() + "\n") << std::flush;
  return 0;
}

std::size_t Parser::FirstWord(std::span<const std::string> args) const {
  for (std::size_t i = 0; i < args.size(); ++i) {
    const std::string& arg = args[i];
    if (arg.size() < 2 || arg.front() != '-') {
      return i;
    }
    const bool is_long = arg.starts_with("--");
    const Impl::Declared* flag = nullptr;
    for (const auto& known : impl_->declared) {
      if (is_long ? arg.substr(2) == known->name : arg.size() == 2 && arg[1] == known->letter) {
        flag = known.get();
      }
    }
    const bool has_value_after = flag != nullptr && flag->shape != Shape::kSwitch;
    i += has_value_after ? 1 : 0;
  }
  return args.size();
}

std::string Parser::Help() const {
  CLI::App app;
  Impl::AllGiven given(impl_->declared.size());
  impl_->Build(app, &given);
  for (const auto& flag : impl_->declared) {
    if (flag->is_positional) {
      app.add_option(flag->name)
          ->description(flag->help)
          ->type_name("")
          ->required(flag->shape == Shape::kSingle);
    }
  }
  return app.help(impl_->program) +
         "\nA flag --some-name is also read from ADIT_SOME_NAME, and from --config as some-name.\n";
}

std::vector<std::string> Parser::FlagNames() const {
  std::vector<std::string> names;
  for (const auto& flag : impl_->declared) {
    if (!flag->is_positional) {
      names.push_back(flag->key());
    }
  }
  return names;
}

std::string Parser::Version() const {
  const std::string_view name = impl_->program;
  return fmt::format("{} {}", name.substr(0, name.find(' ')), ADIT_VERSION);
}

}  // namespace adit::config
