#pragma once

#include <grpcpp/client_context.h>

#include "common/mutex.h"

namespace adit::cli {

// How Ctrl-C reaches a call that waits: whoever takes the signal calls Raise, the call ends with
// CANCELLED, and its command tidies up and exits 130. Thread-safe.
class Interrupt {
 public:
  // Cancels the call in flight and every later one. False when there was none: nothing that has to
  // be tidied up is going on.
  bool Raise() {
    const MutexLock lock(mutex_);
    is_raised_ = true;
    if (call_ != nullptr) {
      call_->TryCancel();
    }
    return call_ != nullptr;
  }
  [[nodiscard]] bool is_raised() {
    const MutexLock lock(mutex_);
    return is_raised_;
  }

  // The time during which a call may be cancelled. One at a time.
  class Scope {
   public:
    Scope(Interrupt& interrupt, grpc::ClientContext& call) : interrupt_(interrupt) {
      const MutexLock lock(interrupt_.mutex_);
      interrupt_.call_ = &call;
      if (interrupt_.is_raised_) {
        call.TryCancel();
      }
    }
    ~Scope() {
      const MutexLock lock(interrupt_.mutex_);
      interrupt_.call_ = nullptr;
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Interrupt& interrupt_;
  };

 private:
  Mutex mutex_;
  grpc::ClientContext* call_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool is_raised_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace adit::cli
