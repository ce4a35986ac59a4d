#include "dataplane/rpc/inbox.h"

#include <chrono>
#include <utility>

namespace adit::rpc {

bool Inbox::Put(Item item) {
  const MutexLock lock(mutex_);
  while (!is_closed_ && items_.size() >= kMaxItems) {
    changed_.Wait(mutex_);
  }
  if (is_closed_) {
    return false;
  }
  items_.push_back(std::move(item));
  changed_.NotifyAll();
  return true;
}

std::optional<Inbox::Item> Inbox::Take(Duration timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  const MutexLock lock(mutex_);
  while (!is_closed_ && !is_woken_ && items_.empty()) {
    const auto left = until - std::chrono::steady_clock::now();
    if (left <= Duration(0) || !changed_.WaitFor(mutex_, left)) {
      break;
    }
  }
  is_woken_ = false;
  if (is_closed_ || items_.empty()) {
    return std::nullopt;
  }
  Item item = std::move(items_.front());
  items_.pop_front();
  changed_.NotifyAll();
  return item;
}

void Inbox::Wake() {
  const MutexLock lock(mutex_);
  is_woken_ = true;
  changed_.NotifyAll();
}

void Inbox::Close() {
  const MutexLock lock(mutex_);
  is_closed_ = true;
  changed_.NotifyAll();
}

bool Inbox::is_closed() const {
  const MutexLock lock(mutex_);
  return is_closed_;
}

}  // namespace adit::rpc
