#include "controlplane/rpc/dataplane_session.h"

#include <utility>

namespace adit::hub {

DataplaneSession::DataplaneSession(ModelThread& thread, DataplaneSessionOwner& owner,
                                   grpc::CallbackServerContext* context,
                                   std::function<void()> is_gone)
    : thread_(thread), owner_(owner), context_(context), is_gone_(std::move(is_gone)) {
  thread_.Post([this] { owner_.HandleOpened(*this); });
  StartRead(&incoming_);
}

void DataplaneSession::Write(Message message) {
  outgoing_ = std::move(message);
  is_writing_ = true;
  StartWrite(&outgoing_);
}

void DataplaneSession::Refuse(const std::string& reason, const std::string& text) {
  outgoing_.Clear();
  outgoing_.mutable_hello_refused()->set_reason(reason);
  outgoing_.mutable_hello_refused()->set_text(text);
  is_closing_ = true;
  is_finished_ = true;
  StartWriteAndFinish(&outgoing_, grpc::WriteOptions(),
                      {grpc::StatusCode::FAILED_PRECONDITION, reason + ": " + text});
}

void DataplaneSession::Close(const grpc::Status& status) {
  if (is_closing_) {
    return;
  }
  is_closing_ = true;
  status_ = status;
  if (is_writing_) {
    context_->TryCancel();
  }
  FinishIfIdle();
}

void DataplaneSession::Abort(const grpc::Status& status) {
  // The status cannot reach it, and gRPC would wait for room in the socket to send it.
  context_->TryCancel();
  Close(status);
}

void DataplaneSession::FinishIfIdle() {
  if (is_closing_ && !is_writing_ && !is_finished_) {
    is_finished_ = true;
    Finish(status_);
  }
}

void DataplaneSession::OnReadDone(bool ok) {
  thread_.Post([this, ok] {
    if (!ok) {
      owner_.HandleEnded(*this);
      Close(grpc::Status::OK);
      return;
    }
    if (!is_closing_) {
      owner_.HandleMessage(*this, incoming_);
    }
    if (!is_closing_) {
      StartRead(&incoming_);
    }
  });
}

void DataplaneSession::OnWriteDone(bool ok) {
  thread_.Post([this, ok] {
    is_writing_ = false;
    write_deadline = Instant::Max();
    if (!ok) {
      owner_.HandleEnded(*this);
      Close(grpc::Status::OK);
    }
    FinishIfIdle();
    if (ok && !is_closing_) {
      owner_.HandleWritten(*this);
    }
  });
}

void DataplaneSession::OnDone() {
  thread_.Post([this] {
    owner_.HandleGone(*this);
    const std::function<void()> is_gone = is_gone_;
    delete this;
    is_gone();
  });
}

}  // namespace adit::hub
