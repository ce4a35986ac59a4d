#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <functional>
#include <thread>

#include "common/mutex.h"
#include "common/time.h"

namespace adit::hub {

// The one thread that owns the desired state. Everybody else hands it work.
//
// Thread: Start, Stop and the destructor belong to one thread; Post and TryPost to any; tasks and
// the turn run on the model thread. After each batch of tasks, and when its deadline comes, the
// turn runs and says when it wants to run next.
class ModelThread {
 public:
  using Task = std::function<void()>;
  using Turn = std::function<Instant()>;

  ModelThread(const Clock& clock, std::size_t max_waiting_calls)
      : clock_(clock), max_waiting_calls_(max_waiting_calls) {}
  ~ModelThread() { Stop(); }
  ModelThread(const ModelThread&) = delete;
  ModelThread& operator=(const ModelThread&) = delete;

  void Start(Turn turn);
  // Runs what has been posted, then ends the thread. Later tasks never run. Idempotent.
  void Stop();

  // For what is bounded at its source: each session has a fixed number of posts outstanding.
  void Post(Task task);
  // For calls from outside. False: too many wait already, or the thread is stopping; the task is
  // gone.
  [[nodiscard]] bool TryPost(Task task);

 private:
  void Loop(const Turn& turn);

  const Clock& clock_;
  const std::size_t max_waiting_calls_;
  Mutex mutex_;
  CondVar wake_;
  std::deque<Task> tasks_ ABSL_GUARDED_BY(mutex_);
  std::size_t waiting_calls_ ABSL_GUARDED_BY(mutex_) = 0;
  bool is_stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace adit::hub
