#pragma once

#include <functional>
#include <string>

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "adit/dataplane/v1/control.grpc.pb.h"
#include "common/time.h"
#include "controlplane/rpc/model_thread.h"

namespace adit::hub {

class DataplaneSession;

// Who hears of sessions, on the model thread.
class DataplaneSessionOwner {
 public:
  virtual ~DataplaneSessionOwner() = default;
  virtual void HandleOpened(DataplaneSession& session) = 0;
  // The next message is read when this returns.
  virtual void HandleMessage(DataplaneSession& session,
                             const dataplane::v1::FromDataplane& message) = 0;
  // The last write is done: CanWrite() may be true again.
  virtual void HandleWritten(DataplaneSession& session) = 0;
  // Nothing comes any more. May be told more than once.
  virtual void HandleEnded(DataplaneSession& session) = 0;
  // The last word; the object is deleted right after.
  virtual void HandleGone(DataplaneSession& session) = 0;
};

// One Sync stream of a data plane: at most one message being read and one being written.
//
// gRPC's threads only post; everything else happens on the model thread, where the object is
// deleted too, after gRPC is done with it. So a pointer to it is good until HandleGone.
class DataplaneSession final : public grpc::ServerBidiReactor<dataplane::v1::FromDataplane,
                                                              dataplane::v1::FromControlplane> {
 public:
  using Message = dataplane::v1::FromControlplane;

  // `is_gone` runs as the very last thing, on the model thread.
  DataplaneSession(ModelThread& thread, DataplaneSessionOwner& owner,
                   grpc::CallbackServerContext* context, std::function<void()> is_gone);

  // The node it speaks for; empty before its Hello.
  std::string node;
  std::string public_key;
  Instant hello_deadline = Instant::Max();
  Instant write_deadline = Instant::Max();  // of the write under way, for the owner to watch

  [[nodiscard]] bool CanWrite() const { return !is_writing_ && !is_closing_; }
  [[nodiscard]] bool is_closing() const { return is_closing_; }
  // Requires CanWrite().
  void Write(Message message);
  // Requires CanWrite(). Says why, and ends the stream.
  void Refuse(const std::string& reason, const std::string& text);
  // Ends the stream. A data plane that does not read is not waited for.
  void Close(const grpc::Status& status);
  // Ends the stream of a data plane that is not heard of any more.
  void Abort(const grpc::Status& status);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone() override;

 private:
  void FinishIfIdle();

  ModelThread& thread_;
  DataplaneSessionOwner& owner_;
  grpc::CallbackServerContext* const context_;  // gRPC's, until OnDone
  const std::function<void()> is_gone_;
  dataplane::v1::FromDataplane incoming_;
  Message outgoing_;
  grpc::Status status_;
  bool is_writing_ = false;
  bool is_closing_ = false;
  bool is_finished_ = false;
};

}  // namespace adit::hub
