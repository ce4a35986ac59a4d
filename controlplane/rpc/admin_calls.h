#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <string_view>
#include <utility>

#include <absl/status/status.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "common/status.h"
#include "controlplane/rpc/hub.h"
#include "controlplane/rpc/model_thread.h"
#include "controlplane/rpc/rich_status.h"

namespace adit::hub {

// Brings the admin API's unary calls to the model thread and their answers back. A call that finds
// too many waiting is RESOURCE_EXHAUSTED. Thread: any. Borrows thread and hub.
class AdminCalls {
 public:
  AdminCalls(ModelThread& thread, Hub& hub) : thread_(thread), hub_(hub) {}

  [[nodiscard]] ModelThread& thread() { return thread_; }
  [[nodiscard]] Hub& hub() { return hub_; }

  // Runs `answer` on the model thread; its status ends the call.
  grpc::ServerUnaryReactor* Read(grpc::CallbackServerContext* context,
                                 std::function<absl::Status(const Hub&)> answer) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    Post(reactor, [this, reactor, answer = std::move(answer)] {
      reactor->Finish(ToGrpcStatus(answer(hub_)));
    });
    return reactor;
  }

  // A change that nobody waits for.
  grpc::ServerUnaryReactor* Change(grpc::CallbackServerContext* context, Judge judge) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    Post(reactor, [this, reactor, judge = std::move(judge)] {
      reactor->Finish(ToGrpcStatus(hub_.Change(judge)));
    });
    return reactor;
  }

  // `judge` and `fill` as in Mutation; `method` is the full name of the call.
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* Mutate(grpc::CallbackServerContext* context, std::string_view method,
                                   const Request* request, Response* response, Judge judge,
                                   std::function<void(const model::State&)> fill) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    Mutation mutation;
    mutation.judge = std::move(judge);
    mutation.fill = std::move(fill);
    mutation.options = request->options();
    Request without_options = *request;
    without_options.clear_options();
    mutation.fingerprint = FingerprintOf(method, without_options.SerializeAsString());
    mutation.response = response;
    mutation.result = [response] { return response->mutable_result(); };
    mutation.patience = PatienceOf(*context);
    mutation.finish = [reactor](const absl::Status& status) {
      reactor->Finish(ToGrpcStatus(status));
    };
    Post(reactor,
         [this, mutation = std::move(mutation)]() mutable { hub_.Mutate(std::move(mutation)); });
    return reactor;
  }

 private:
  template <typename Task>
  void Post(grpc::ServerUnaryReactor* reactor, Task task) {
    if (!thread_.TryPost(std::move(task))) {
      reactor->Finish(ToGrpcStatus(
          ResourceExhausted("the control plane has too many calls to answer, or is stopping: "
                            "nothing was done, try again later")));
    }
  }

  // What is left until the caller gives up, less what the answer's way back may take: an author who
  // is told NO_ANSWER knows that the change is stored, one whose deadline passes does not.
  static Duration PatienceOf(const grpc::CallbackServerContext& context) {
    constexpr Duration kWayBack = milliseconds(300);
    constexpr Duration kLongest = seconds(3600);
    const auto left = context.deadline() - std::chrono::system_clock::now();
    const Duration bounded =
        left > kLongest ? kLongest : std::chrono::duration_cast<Duration>(left);
    return std::max(bounded - kWayBack, Duration(0));
  }

  ModelThread& thread_;
  Hub& hub_;
};

}  // namespace adit::hub
