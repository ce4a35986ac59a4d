#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "common/mutex.h"
#include "common/status.h"
#include "common/time.h"
#include "common/unique_fd.h"

namespace adit::engine {
class Engine;
}  // namespace adit::engine

namespace adit::shard {

// Runs on the shard's thread, between two packets.
using Task = std::function<void(engine::Engine&, Now)>;

// How other threads speak to a shard: a bounded queue of tasks, and a descriptor that is readable
// while some wait.
//
// Thread: Push from any, the rest from the shard's.
class Mailbox {
 public:
  static constexpr std::size_t kCapacity = 1024;

  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Mailbox>> Make();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;
  ~Mailbox() = default;

  // False when it is full or closed; the task is gone then.
  [[nodiscard]] bool Push(Task task);
  // Makes fd() readable without a task. From any thread, and from a signal handler.
  void Wake();

  [[nodiscard]] int fd() const { return event_.get(); }
  // Takes what waits, in order, in exchange for an empty vector whose memory is used again. Locks
  // nothing when it was only woken.
  void TakeAll(std::vector<Task>& tasks);
  // Refuses everything from here on and destroys what waits.
  void Close();
  // From any thread.
  [[nodiscard]] bool IsClosed();

 private:
  explicit Mailbox(UniqueFd event);

  UniqueFd event_;
  std::atomic<bool> has_tasks_{false};
  Mutex mutex_;
  std::vector<Task> tasks_ ABSL_GUARDED_BY(mutex_);
  bool is_closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace adit::shard
