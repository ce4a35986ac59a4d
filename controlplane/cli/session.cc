#include "controlplane/cli/session.h"

#include "common/status.h"
#include "controlplane/cli/error_text.h"

namespace adit::cli {
namespace {

Format FormatOf(std::string_view name) {
  return name == "json"   ? Format::kJson
         : name == "yaml" ? Format::kYaml
         : name == "name" ? Format::kName
                          : Format::kTable;
}

}  // namespace

void GlobalFlags::Declare(config::Parser& parser) {
  parser.Flag("server", &server, "ADDRESS", "the control plane's admin socket, unix:/PATH");
  parser.Flag("output,o", &output, "FORMAT", "table, json, yaml or name",
              config::OneOf({"table", "json", "yaml", "name"}));
  parser.Flag("timeout", &timeout, "TIME", "for each call",
              config::Between<Duration>(milliseconds(1), seconds(86'400)));
}

Session::Session(const GlobalFlags& flags, std::string command, Surroundings& world)
    : flags_(flags), format_(FormatOf(flags.output)), command_(std::move(command)), world_(world) {}

void Session::Complain(std::string_view text) {
  world_.err << "aditctl: " << command_ << ": " << text << "\n";
}

ExitCode Session::Fail(ExitCode code, std::string_view text) {
  Complain(text);
  return code;
}

grpc::Status Session::Connect() {
  if (channel_ != nullptr) {
    return grpc::Status::OK;
  }
  auto channel = world_.dial(flags_.server);
  if (!channel.ok()) {
    // Whatever is wrong with the socket, the server is not reachable; only "not for you" and a
    // misspelt address are the caller's to mend.
    const absl::StatusCode code = channel.status().code();
    const auto grpc_code =
        code == absl::StatusCode::kPermissionDenied || code == absl::StatusCode::kInvalidArgument
            ? static_cast<grpc::StatusCode>(code)
            : grpc::StatusCode::UNAVAILABLE;
    return {grpc_code, "--server: " + MessageOf(channel.status())};
  }
  channel_ = *std::move(channel);
  return grpc::Status::OK;
}

ExitCode Session::Report(const grpc::Status& status) {
  if (world_.interrupt.is_raised()) {
    return Fail(ExitCode::kInterrupted, "interrupted");
  }
  Complain(ErrorText(status, command_.substr(0, command_.find(' '))));
  return ExitCodeOf(status.error_code());
}

}  // namespace adit::cli
