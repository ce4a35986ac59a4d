#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include "common/config/parser.h"
#include "controlplane/cli/exit_code.h"
#include "controlplane/cli/surroundings.h"

namespace adit::cli {

// How data is printed. kTable is for people and may change; kJson is stable.
enum class Format { kTable, kJson, kYaml, kName };

// The flags every command has.
struct GlobalFlags {
  std::string server = "unix:/run/adit/admin.sock";
  std::string output = "table";
  Duration timeout = seconds(10);
  void Declare(config::Parser& parser);
};

// One run of aditctl: the global flags and the connection. A call that fails has been reported on
// err already when it returns; the command only has to end with the exit code.
class Session {
 public:
  Session(const GlobalFlags& flags, std::string command, Surroundings& world);

  [[nodiscard]] Format format() const { return format_; }
  [[nodiscard]] Duration timeout() const { return flags_.timeout; }
  [[nodiscard]] const std::string& server() const { return flags_.server; }
  [[nodiscard]] Surroundings& world() { return world_; }
  [[nodiscard]] std::ostream& out() { return world_.out; }
  [[nodiscard]] std::ostream& err() { return world_.err; }
  [[nodiscard]] WallTime now() const { return world_.clock.Read().wall; }

  // "aditctl: resource create wiki: TEXT" on err.
  void Complain(std::string_view text);
  // Complain, for commands that end with it.
  [[nodiscard]] ExitCode Fail(ExitCode code, std::string_view text);

  // One call within the time-out, over the connection made by the first. Errors are not reported
  // yet: Report does that.
  template <typename Service, typename Request, typename Response>
  [[nodiscard]] grpc::Status Call(grpc::Status (Service::Stub::*method)(grpc::ClientContext*,
                                                                        const Request&, Response*),
                                  const Request& request, Response* response) {
    if (const grpc::Status connected = Connect(); !connected.ok()) {
      return connected;
    }
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + flags_.timeout);
    const Interrupt::Scope scope(world_.interrupt, context);
    has_called_ = true;
    return (*Service::NewStub(channel_).*method)(&context, request, response);
  }
  // A stream of answers until the server ends it, without a time limit; handle is called for each.
  template <typename Service, typename Request, typename Response, typename Handle>
  [[nodiscard]] grpc::Status Stream(
      std::unique_ptr<grpc::ClientReader<Response>> (Service::Stub::*method)(grpc::ClientContext*,
                                                                             const Request&),
      const Request& request, Handle handle) {
    if (const grpc::Status connected = Connect(); !connected.ok()) {
      return connected;
    }
    grpc::ClientContext context;
    const Interrupt::Scope scope(world_.interrupt, context);
    const auto stub = Service::NewStub(channel_);
    const auto reader = (*stub.*method)(&context, request);
    Response response;
    while (reader->Read(&response)) {
      handle(response);
    }
    return reader->Finish();
  }

  // Prints why a reading call failed, and gives the exit code.
  [[nodiscard]] ExitCode Report(const grpc::Status& status);
  // Whether any call has left this process.
  [[nodiscard]] bool has_called() const { return has_called_; }

 private:
  [[nodiscard]] grpc::Status Connect();

  const GlobalFlags flags_;
  const Format format_;
  const std::string command_;
  Surroundings& world_;
  std::shared_ptr<grpc::Channel> channel_;
  bool has_called_ = false;
};

}  // namespace adit::cli
