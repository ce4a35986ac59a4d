#pragma once

#include <memory>
#include <utility>

#include "common/mutex.h"

namespace adit::shard {

// Says that a task has run, or that it never will: the task's last copy is gone.
class Completion {
 public:
  void Finish(bool has_run) {
    const MutexLock lock(mutex_);
    has_run_ = has_run;
    is_finished_ = true;
    finished_.NotifyAll();
  }
  // Whether it has run.
  [[nodiscard]] bool Wait() {
    const MutexLock lock(mutex_);
    while (!is_finished_) {
      finished_.Wait(mutex_);
    }
    return has_run_;
  }

 private:
  Mutex mutex_;
  CondVar finished_;
  bool is_finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_run_ ABSL_GUARDED_BY(mutex_) = false;
};

// Travels with a task: when the task is destroyed without having run, the caller learns it.
class CompletionGuard {
 public:
  explicit CompletionGuard(std::shared_ptr<Completion> completion)
      : completion_(std::move(completion)) {}
  CompletionGuard(const CompletionGuard&) = delete;
  CompletionGuard& operator=(const CompletionGuard&) = delete;
  ~CompletionGuard() { completion_->Finish(has_run_); }
  void NoteRun() { has_run_ = true; }

 private:
  const std::shared_ptr<Completion> completion_;
  bool has_run_ = false;
};

}  // namespace adit::shard
