#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <span>

#include "common/status.h"
#include "common/time.h"
#include "common/unique_fd.h"

namespace adit::shard {

// epoll(7) for a handful of descriptors, each known by a small number.
//
// Thread: one.
class Poller {
 public:
  static constexpr std::size_t kMaxEvents = 8;

  [[nodiscard]] static absl::StatusOr<Poller> Make();

  // events: EPOLLIN, EPOLLOUT, EPOLLET. A closed descriptor leaves by itself.
  [[nodiscard]] absl::Status Add(int fd, std::uint32_t tag, std::uint32_t events);
  // Of one that was added: cannot fail then.
  void Change(int fd, std::uint32_t tag, std::uint32_t events);

  // Waits at most this long (rounded up to milliseconds; Duration::max(): for ever). The events'
  // data.u32 is the tag. Valid until the next Wait.
  [[nodiscard]] std::span<const epoll_event> Wait(Duration timeout);

 private:
  explicit Poller(UniqueFd epoll) : epoll_(std::move(epoll)) {}

  UniqueFd epoll_;
  std::array<epoll_event, kMaxEvents> events_{};
};

}  // namespace adit::shard
