#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "common/mutex.h"
#include "dataplane/engine/neighbours.h"
#include "dataplane/packet/received_train.h"

namespace adit::shard {

// What other shards received for this one: datagrams that were not steered here, and initiations.
// Copied under a lock, since it is rare; bounded, since others provoke it.
//
// Threads: Put from any; IsEmpty and Take from the shard's, where nothing is locked while nothing
// waits. IsEmpty and the flags behind it are sequentially consistent (see TunRing).
class HandoverInbox {
 public:
  static constexpr std::size_t kMaxBytes = std::size_t{256} * 1024;
  static constexpr std::size_t kMaxTrains = 512;
  static constexpr std::size_t kMaxInitiations = 64;

  HandoverInbox();
  ~HandoverInbox() = default;
  HandoverInbox(const HandoverInbox&) = delete;
  HandoverInbox& operator=(const HandoverInbox&) = delete;

  // False: no room.
  [[nodiscard]] bool Put(const packet::ReceivedTrain& train);
  [[nodiscard]] bool Put(const engine::HandedInitiation& initiation);

  [[nodiscard]] bool IsEmpty() const { return !has_trains_.load() && !has_initiations_.load(); }
  // All trains, in order; valid until the next call.
  [[nodiscard]] std::span<const packet::ReceivedTrain> TakeTrains();
  // The oldest, at most so many; valid until the next call.
  [[nodiscard]] std::span<const engine::HandedInitiation> TakeInitiations(std::size_t most);

 private:
  struct Trains {
    std::unique_ptr<std::uint8_t[]> bytes =
        std::make_unique_for_overwrite<std::uint8_t[]>(kMaxBytes);
    std::size_t used = 0;
    std::vector<packet::ReceivedTrain> all;
  };

  std::atomic<bool> has_trains_{false};
  std::atomic<bool> has_initiations_{false};
  Mutex mutex_;
  Trains arriving_ ABSL_GUARDED_BY(mutex_);
  std::vector<engine::HandedInitiation> waiting_ ABSL_GUARDED_BY(mutex_);
  Trains taken_;
  std::vector<engine::HandedInitiation> taken_initiations_;
};

}  // namespace adit::shard
