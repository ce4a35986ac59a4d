#include "controlplane/rpc/node_watch.h"

namespace adit::hub {

void NodeWatch::Notify(const std::string& node) {
  pending_.insert(node);
  WriteNext();
}

void NodeWatch::Close(const grpc::Status& status) {
  if (!is_closing_) {
    is_closing_ = true;
    status_ = status;
  }
  WriteNext();
}

void NodeWatch::WriteNext() {
  if (is_writing_ || is_finished_) {
    return;
  }
  if (is_closing_) {
    is_finished_ = true;
    Finish(status_);
    return;
  }
  if (pending_.empty()) {
    return;
  }
  outgoing_.Clear();
  owner_.FillWatched(*pending_.begin(), &outgoing_);
  pending_.erase(pending_.begin());
  is_writing_ = true;
  StartWrite(&outgoing_);
}

void NodeWatch::OnCancel() {
  thread_.Post([this] { Close(grpc::Status::CANCELLED); });
}

void NodeWatch::OnWriteDone(bool ok) {
  thread_.Post([this, ok] {
    is_writing_ = false;
    if (!ok) {
      Close(grpc::Status::CANCELLED);
    }
    WriteNext();
  });
}

void NodeWatch::OnDone() {
  thread_.Post([this] {
    owner_.HandleWatchGone(*this);
    delete this;
  });
}

}  // namespace adit::hub
