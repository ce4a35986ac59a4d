#include "controlplane/rpc/model_thread.h"

#include <algorithm>
#include <utility>

namespace adit::hub {
namespace {

// Bounds the sleep, so that a far deadline never overflows the wait.
constexpr Duration kLongestSleep = seconds(3600);

}  // namespace

void ModelThread::Start(Turn turn) {
  thread_ = std::thread([this, turn = std::move(turn)] { Loop(turn); });
}

void ModelThread::Stop() {
  {
    const MutexLock lock(mutex_);
    is_stopping_ = true;
  }
  wake_.NotifyOne();
  if (thread_.joinable()) {
    thread_.join();
  }
}

void ModelThread::Post(Task task) {
  {
    const MutexLock lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  wake_.NotifyOne();
}

bool ModelThread::TryPost(Task task) {
  {
    const MutexLock lock(mutex_);
    if (is_stopping_ || waiting_calls_ >= max_waiting_calls_) {
      return false;
    }
    ++waiting_calls_;
    tasks_.push_back([this, task = std::move(task)] {
      {
        const MutexLock inner(mutex_);
        --waiting_calls_;
      }
      task();
    });
  }
  wake_.NotifyOne();
  return true;
}

void ModelThread::Loop(const Turn& turn) {
  Instant deadline = clock_.Read().boot;
  while (true) {
    std::deque<Task> batch;
    {
      const MutexLock lock(mutex_);
      while (tasks_.empty() && !is_stopping_) {
        const Instant now = clock_.Read().boot;
        if (now >= deadline) {
          break;
        }
        wake_.WaitFor(mutex_, std::min<Duration>(deadline - now, kLongestSleep));
      }
      if (tasks_.empty() && is_stopping_) {
        return;
      }
      batch.swap(tasks_);
    }
    for (Task& task : batch) {
      task();
    }
    deadline = turn();
  }
}

}  // namespace adit::hub
