#include "dataplane/rpc/control_link.h"

#include <memory>
#include <utility>

#include <fmt/format.h>

#include "adit/dataplane/v1/control.grpc.pb.h"
#include "common/channel/unix_dialler.h"
#include "common/log.h"
#include "common/status.h"

namespace adit::rpc {

namespace pb = ::adit::dataplane::v1;

ControlLink::ControlLink(std::string channel, std::vector<uid_t> controlplane_uids, Inbox& inbox,
                         Outbox& outbox)
    : channel_(std::move(channel)),
      uids_(std::move(controlplane_uids)),
      inbox_(inbox),
      outbox_(outbox) {}

void ControlLink::Start() {
  thread_ = std::thread([this] { Run(); });
}

void ControlLink::Stop() {
  {
    const MutexLock lock(mutex_);
    is_stopping_ = true;
    stopped_.NotifyAll();
    if (context_ != nullptr) {
      context_->TryCancel();
    }
  }
  if (thread_.joinable()) {
    thread_.join();
  }
}

void ControlLink::EndStream() {
  const MutexLock lock(mutex_);
  if (context_ != nullptr) {
    context_->TryCancel();
  }
}

bool ControlLink::IsStopping() {
  const MutexLock lock(mutex_);
  return is_stopping_;
}

void ControlLink::Run() {
  while (!IsStopping()) {
    const auto channel = channel::DialUnix(channel_, uids_);
    if (!channel.ok()) {
      Note(channel.status());
    } else if (Talk(*channel)) {
      backoff_.Reset();
    }
    WaitBeforeNext();
  }
}

void ControlLink::Note(const absl::Status& status) {
  const std::string text = MessageOf(status);
  if (text == noted_) {
    return;
  }
  noted_ = text;
  if (absl::IsPermissionDenied(status)) {
    LOG_WARN("{}; trying again", text);
  } else {
    LOG_INFO("no control plane: {}; trying again", text);
  }
}

void ControlLink::WaitBeforeNext() {
  const Duration wait = backoff_.Next();
  const MutexLock lock(mutex_);
  if (!is_stopping_) {
    (void)stopped_.WaitFor(mutex_, wait);
  }
}

bool ControlLink::Talk(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::ClientContext context;
  {
    const MutexLock lock(mutex_);
    if (is_stopping_) {
      return false;
    }
    context_ = &context;
  }
  const auto stub = pb::DataplaneControl::NewStub(channel);
  const auto stream = stub->Sync(&context);
  outbox_.Begin(++stream_number_);
  std::thread writer([&] {
    while (auto message = outbox_.Take()) {
      if (!stream->Write(*message)) {
        break;  // the reader finds out why
      }
    }
  });

  bool was_welcome = false;
  bool was_refused = false;
  bool is_taken = inbox_.Put(Inbox::Connected{stream_number_});
  pb::FromControlplane message;
  while (is_taken && stream->Read(&message)) {
    was_refused = was_refused || message.has_hello_refused();
    if (!was_refused && !was_welcome) {
      was_welcome = true;
      noted_.clear();
      LOG_INFO("connected to the control plane at {}", channel_);
    }
    is_taken = inbox_.Put(std::move(message));
    message = pb::FromControlplane();
  }
  outbox_.End();
  context.TryCancel();  // a write may wait for a reader that is gone
  writer.join();
  const grpc::Status status = stream->Finish();
  {
    const MutexLock lock(mutex_);
    context_ = nullptr;
  }
  (void)inbox_.Put(Inbox::Disconnected{});
  if (was_welcome && !IsStopping()) {
    LOG_INFO("the control plane is gone ({}); what is in force stays in force",
             status.error_message().empty() ? "stream ended" : status.error_message());
  }
  if (!was_welcome && !was_refused && !IsStopping()) {
    Note(
        Unavailable(fmt::format("{} closed the stream before it said anything ({}): does it "
                                "accept this uid (its --dataplane-user)?",
                                channel_, status.error_message())));
  }
  return was_welcome;
}

}  // namespace adit::rpc
