#include <fmt/format.h>

#include "adit/admin/v1/system.grpc.pb.h"
#include "common/status.h"
#include "controlplane/cli/completion.h"
#include "controlplane/cli/node_noun.h"
#include "controlplane/cli/noun_commands.h"
#include "controlplane/cli/times.h"

#include <nlohmann/json.hpp>

namespace adit::cli {
namespace {

grpc::Status GetStatus(Session& session, admin::v1::Status* status) {
  return session.Call<admin::v1::SystemService>(&admin::v1::SystemService::Stub::GetStatus,
                                                admin::v1::GetStatusRequest(), status);
}

class StatusCommand final : public Command {
 public:
  ExitCode Run(Session& session) override {
    admin::v1::Status status;
    if (const grpc::Status called = GetStatus(session, &status); !called.ok()) {
      return session.Report(called);
    }
    if (session.format() == Format::kName) {
      for (const auto& node : status.nodes()) {
        session.out() << "node/" << Printable(node.name()) << "\n";
      }
    } else if (!PrintStructured(session, status)) {
      PrintForPeople(session, status);
    }
    const bool is_connected = std::ranges::any_of(status.nodes(), [](const auto& node) {
      return node.state() == admin::v1::Node::CONNECTED;
    });
    return is_connected ? ExitCode::kOk
                        : session.Fail(ExitCode::kCheckFailed,
                                       status.nodes().empty() ? "no data plane has connected yet"
                                                              : "no data plane is connected");
  }

 private:
  static void PrintForPeople(Session& session, const admin::v1::Status& status) {
    session.out() << fmt::format(
        "control plane {}, up {}, store {}, revision {}\n{} peers, {} resources, {} policies\n\n",
        Printable(status.version()), FormatAge(status.started_unix_ns(), session.now()),
        Printable(status.store()), status.revision(), status.peers(), status.resources(),
        status.policies());
    Table table(NodeNoun::Header());
    for (const auto& node : status.nodes()) {
      table.Add(NodeNoun::Row(node, session.now()));
    }
    table.Print(session.out());
    for (const auto& node : status.nodes()) {
      for (const std::string& problem : NodeNoun::Problems(node)) {
        session.out() << Printable(node.name()) << ": " << Printable(problem) << "\n";
      }
    }
  }
};

class VersionCommand final : public Command {
 public:
  ExitCode Run(Session& session) override {
    admin::v1::Status status;
    const grpc::Status called = GetStatus(session, &status);
    if (session.format() == Format::kTable || session.format() == Format::kName) {
      session.out() << "aditctl " << ADIT_VERSION << "\n";
      if (called.ok()) {
        session.out() << "adit-controlplane " << Printable(status.version()) << "\n";
      }
    } else {
      nlohmann::ordered_json versions = {{"client", ADIT_VERSION}};
      if (called.ok()) {
        versions["server"] = status.version();
      }
      // A JSON object on one line is YAML too.
      session.out() << versions.dump() << "\n";
    }
    return called.ok() ? ExitCode::kOk : session.Report(called);
  }
};

class CompletionCommand final : public Command {
 public:
  void Declare(config::Parser& parser) override {
    parser.Positional("SHELL", &shell_, "bash", config::OneOf({"bash"}));
  }
  ExitCode Run(Session& session) override {
    session.out() << BashCompletion(Commands());
    return ExitCode::kOk;
  }

 private:
  std::string shell_;
};

}  // namespace

std::span<const CommandEntry> SystemCommands() {
  static constexpr CommandEntry kCommands[] = {
      {"status", "", "every node; exits 7 when none is connected", &Make<StatusCommand>},
      {"version", "", "of this program and of the control plane", &Make<VersionCommand>},
      {"completion", "", "a script for bash: source <(aditctl completion bash)",
       &Make<CompletionCommand>},
  };
  return kCommands;
}

}  // namespace adit::cli
