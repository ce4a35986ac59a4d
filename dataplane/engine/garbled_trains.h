#pragma once

#include <cstddef>
#include <cstdint>

#include "common/key.h"
#include "common/time.h"

namespace adit::engine {

// Trains of a peer arrive garbled: too many datagrams of the size that its trains are cut to do not
// decrypt. There are kernels that cut a train (UDP_SEGMENT) or join one (UDP_GRO) wrongly; the
// remedy is to switch that offload off, at the peer or here.
struct GarbledTrains {
  PublicKey peer;
  std::uint32_t datagram_size = 0;  // bytes: of the last that did not decrypt
  std::uint32_t failed = 0;         // of the last
  std::uint32_t looked_at = 0;      // datagrams of trains
};

// Counts one peer's datagrams that belong to trains, and says when more than 1 % of 1,000 did not
// decrypt, or were no message where one of that train had to begin; at most once an hour. A
// datagram belongs to a train when the one before or behind it in the same receive, or the one
// received before it, has its size.
//
// Unauthenticated datagrams count, since the garbled ones are: who knows the receiver index can
// raise the alarm. It only tells.
class TrainWatch {
 public:
  static constexpr std::uint32_t kWindow = 1000;
  static constexpr std::uint32_t kFailuresBorne = kWindow / 100;
  static constexpr Duration kQuietTime = std::chrono::hours(1);

  // `full` datagrams of `size` bytes received together, of which `failed` did not decrypt. True:
  // say it now.
  [[nodiscard]] bool Note(std::uint32_t size, std::uint32_t full, std::uint32_t failed,
                          Instant now) {
    const bool is_train = full > 1 || size == last_size_;
    last_size_ = size;
    if (!is_train) {
      return false;
    }
    if (looked_at_ >= kWindow) {
      looked_at_ = 0;
      failed_ = 0;
    }
    looked_at_ += full;
    failed_ += failed;
    if (failed_ <= kFailuresBorne || now < quiet_until_) {
      return false;
    }
    quiet_until_ = now + kQuietTime;
    ++alarms_;
    return true;
  }
  [[nodiscard]] std::uint32_t looked_at() const { return looked_at_; }
  [[nodiscard]] std::uint32_t failed() const { return failed_; }
  [[nodiscard]] std::uint32_t alarms() const { return alarms_; }

 private:
  std::uint32_t last_size_ = 0;
  std::uint32_t looked_at_ = 0;
  std::uint32_t failed_ = 0;
  std::uint32_t alarms_ = 0;
  Instant quiet_until_;
};

}  // namespace adit::engine
