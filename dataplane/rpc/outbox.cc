#include "dataplane/rpc/outbox.h"

#include <iterator>
#include <utility>

namespace adit::rpc {

void Outbox::Begin(std::uint64_t number) {
  const MutexLock lock(mutex_);
  state_ = State::kBegun;
  number_ = number;
  answers_.clear();
  events_.clear();
  stats_.clear();
}

void Outbox::End() {
  const MutexLock lock(mutex_);
  state_ = State::kEnded;
  changed_.NotifyAll();
}

void Outbox::PutHello(std::uint64_t number, Outgoing hello) {
  const MutexLock lock(mutex_);
  if (state_ != State::kBegun || number != number_) {
    return;
  }
  state_ = State::kOpen;
  answers_.push_back(std::move(hello));
  changed_.NotifyOne();
}

bool Outbox::PutAnswer(Outgoing message) {
  const MutexLock lock(mutex_);
  if (state_ != State::kOpen) {
    return true;
  }
  if (answers_.size() >= kMaxAnswers) {
    return false;
  }
  answers_.push_back(std::move(message));
  changed_.NotifyOne();
  return true;
}

void Outbox::PutEvent(Outgoing message) {
  const MutexLock lock(mutex_);
  if (state_ != State::kOpen) {
    return;
  }
  if (events_.size() >= kMaxEvents) {
    ++dropped_;
    return;
  }
  events_.push_back(std::move(message));
  changed_.NotifyOne();
}

void Outbox::PutStats(std::vector<Outgoing> messages) {
  const MutexLock lock(mutex_);
  if (state_ != State::kOpen) {
    return;
  }
  dropped_ += stats_.size();
  stats_.assign(std::make_move_iterator(messages.begin()), std::make_move_iterator(messages.end()));
  changed_.NotifyOne();
}

std::optional<Outgoing> Outbox::Take() {
  const MutexLock lock(mutex_);
  while (state_ != State::kEnded) {
    for (std::deque<Outgoing>* queue : {&answers_, &events_, &stats_}) {
      if (!queue->empty()) {
        Outgoing message = std::move(queue->front());
        queue->pop_front();
        return message;
      }
    }
    changed_.Wait(mutex_);
  }
  return std::nullopt;
}

std::uint64_t Outbox::dropped() const {
  const MutexLock lock(mutex_);
  return dropped_;
}

}  // namespace adit::rpc
