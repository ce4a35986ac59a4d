#pragma once

#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include "adit/dataplane/v1/control.grpc.pb.h"
#include "common/channel/unix_listener.h"

namespace adit::rpc::testing {

namespace pb = ::adit::dataplane::v1;

// A control plane in the test's hands: a real gRPC server on a unix socket that keeps what it hears
// and says what it is told, wise or not.
class FakeHub {
 public:
  explicit FakeHub(std::string address) : address_(std::move(address)), service_(*this) {
    grpc::ServerBuilder builder;
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    auto listener = channel::UnixListener::Open(address_, {getuid()});
    EXPECT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
    listener_->ServeWith(*server_);
  }
  // As if killed: streams end without a word.
  ~FakeHub() {
    listener_.reset();
    server_->Shutdown(std::chrono::system_clock::now());
  }

  // Waits for the next message of this kind; others before it are dropped, but kept in `heard`.
  std::optional<pb::FromDataplane> Next(pb::FromDataplane::MessageCase kind, int seconds = 10) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    std::unique_lock lock(mutex_);
    while (true) {
      while (!heard_.empty()) {
        pb::FromDataplane message = std::move(heard_.front());
        heard_.pop_front();
        if (message.message_case() == kind) {
          return message;
        }
      }
      if (changed_.wait_until(lock, until) == std::cv_status::timeout) {
        return std::nullopt;
      }
    }
  }
  pb::Hello NextHello() { return Value(Next(pb::FromDataplane::kHello)).hello(); }
  pb::Ack NextAck() { return Value(Next(pb::FromDataplane::kAck)).ack(); }
  pb::Nack NextNack() { return Value(Next(pb::FromDataplane::kNack)).nack(); }

  // On the stream that is there; false without one.
  bool Send(const pb::FromControlplane& message) {
    const std::lock_guard lock(mutex_);
    return stream_ != nullptr && stream_->Write(message);
  }
  bool Send(pb::Snapshot snapshot) {
    pb::FromControlplane message;
    *message.mutable_snapshot() = std::move(snapshot);
    return Send(message);
  }
  bool Send(pb::Delta delta) {
    pb::FromControlplane message;
    *message.mutable_delta() = std::move(delta);
    return Send(message);
  }
  // The stream that is there ends with this status.
  void EndStream(grpc::Status status) {
    const std::lock_guard lock(mutex_);
    end_ = std::move(status);
    if (context_ != nullptr) {
      context_->TryCancel();
    }
  }
  // Streams that begin do not read.
  void StopReading() { reads_ = false; }
  int streams() const { return streams_; }

 private:
  using Stream = grpc::ServerReaderWriter<pb::FromControlplane, pb::FromDataplane>;

  class Service final : public pb::DataplaneControl::Service {
   public:
    explicit Service(FakeHub& hub) : hub_(hub) {}
    grpc::Status Sync(grpc::ServerContext* context, Stream* stream) override {
      return hub_.Serve(context, stream);
    }

   private:
    FakeHub& hub_;
  };

  static pb::FromDataplane Value(std::optional<pb::FromDataplane> message) {
    EXPECT_TRUE(message) << "nothing came";
    return message.value_or(pb::FromDataplane());
  }

  grpc::Status Serve(grpc::ServerContext* context, Stream* stream) {
    {
      const std::lock_guard lock(mutex_);
      stream_ = stream;
      context_ = context;
      ++streams_;
    }
    pb::FromDataplane message;
    while (stream->Read(&message)) {
      const std::lock_guard lock(mutex_);
      heard_.push_back(std::move(message));
      message = pb::FromDataplane();
      changed_.notify_all();
      if (!reads_) {
        break;
      }
    }
    while (!reads_ && !context->IsCancelled()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    const std::lock_guard lock(mutex_);
    stream_ = nullptr;
    context_ = nullptr;
    return end_;
  }

  const std::string address_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<pb::FromDataplane> heard_;
  Stream* stream_ = nullptr;
  grpc::ServerContext* context_ = nullptr;
  std::atomic<bool> reads_{true};
  std::atomic<int> streams_{0};
  grpc::Status end_ = grpc::Status::OK;
  Service service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<channel::UnixListener> listener_;
};

}  // namespace adit::rpc::testing
