#include "dataplane/shard/mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace adit::shard {

absl::StatusOr<std::unique_ptr<Mailbox>> Mailbox::Make() {
  UniqueFd event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event.is_open()) {
    return ErrnoStatus(errno, "make an eventfd");
  }
  return std::unique_ptr<Mailbox>(new Mailbox(std::move(event)));
}

Mailbox::Mailbox(UniqueFd event) : event_(std::move(event)) {}

bool Mailbox::Push(Task task) {
  {
    const MutexLock lock(mutex_);
    if (is_closed_ || tasks_.size() == kCapacity) {
      return false;
    }
    tasks_.push_back(std::move(task));
    has_tasks_.store(true);
  }
  Wake();
  return true;
}

void Mailbox::Wake() {
  // Fails only when the count is at its greatest, and then the descriptor is readable anyway.
  const std::uint64_t one = 1;
  (void)!write(event_.get(), &one, sizeof(one));
}

void Mailbox::TakeAll(std::vector<Task>& tasks) {
  std::uint64_t count = 0;
  (void)!read(event_.get(), &count, sizeof(count));
  if (!has_tasks_.load()) {
    return;
  }
  const MutexLock lock(mutex_);
  std::swap(tasks, tasks_);
  has_tasks_.store(false);
}

void Mailbox::Close() {
  std::vector<Task> refused;  // destroyed outside the lock: a task may own anything
  const MutexLock lock(mutex_);
  is_closed_ = true;
  std::swap(refused, tasks_);
}

bool Mailbox::IsClosed() {
  const MutexLock lock(mutex_);
  return is_closed_;
}

}  // namespace adit::shard
