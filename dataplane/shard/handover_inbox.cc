#include "dataplane/shard/handover_inbox.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace adit::shard {

HandoverInbox::HandoverInbox() {
  const MutexLock lock(mutex_);
  arriving_.all.reserve(kMaxTrains);
  taken_.all.reserve(kMaxTrains);
  waiting_.reserve(kMaxInitiations);
  taken_initiations_.reserve(kMaxInitiations);
}

bool HandoverInbox::Put(const packet::ReceivedTrain& train) {
  const MutexLock lock(mutex_);
  if (arriving_.all.size() == kMaxTrains || train.bytes.size() > kMaxBytes - arriving_.used) {
    return false;
  }
  std::uint8_t* const copy = arriving_.bytes.get() + arriving_.used;
  std::memcpy(copy, train.bytes.data(), train.bytes.size());
  arriving_.used += train.bytes.size();
  arriving_.all.push_back(train);
  arriving_.all.back().bytes = {copy, train.bytes.size()};
  has_trains_.store(true);
  return true;
}

bool HandoverInbox::Put(const engine::HandedInitiation& initiation) {
  const MutexLock lock(mutex_);
  if (waiting_.size() == kMaxInitiations) {
    return false;
  }
  waiting_.push_back(initiation);
  has_initiations_.store(true);
  return true;
}

std::span<const packet::ReceivedTrain> HandoverInbox::TakeTrains() {
  taken_.all.clear();
  taken_.used = 0;
  if (has_trains_.load()) {
    const MutexLock lock(mutex_);
    std::swap(taken_, arriving_);
    has_trains_.store(false);
  }
  return taken_.all;
}

std::span<const engine::HandedInitiation> HandoverInbox::TakeInitiations(std::size_t most) {
  taken_initiations_.clear();  // and wipes their chaining keys
  if (has_initiations_.load()) {
    const MutexLock lock(mutex_);
    const auto count = static_cast<std::ptrdiff_t>(std::min(most, waiting_.size()));
    taken_initiations_.assign(waiting_.begin(), waiting_.begin() + count);
    waiting_.erase(waiting_.begin(), waiting_.begin() + count);
    has_initiations_.store(!waiting_.empty());
  }
  return taken_initiations_;
}

}  // namespace adit::shard
