#include "dataplane/shard/poller.h"

#include <cerrno>
#include <limits>

namespace adit::shard {

absl::StatusOr<Poller> Poller::Make() {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.is_open()) {
    return ErrnoStatus(errno, "make an epoll instance");
  }
  return Poller(std::move(epoll));
}

absl::Status Poller::Add(int fd, std::uint32_t tag, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u32 = tag;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return ErrnoStatus(errno, "add a descriptor to epoll");
  }
  return absl::OkStatus();
}

void Poller::Change(int fd, std::uint32_t tag, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u32 = tag;
  (void)epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

std::span<const epoll_event> Poller::Wait(Duration timeout) {
  int wait = -1;
  if (timeout != Duration::max()) {
    const auto whole = std::chrono::ceil<milliseconds>(std::max(timeout, Duration(0))).count();
    wait = static_cast<int>(std::min<std::int64_t>(whole, std::numeric_limits<int>::max()));
  }
  const int count =
      epoll_wait(epoll_.get(), events_.data(), static_cast<int>(events_.size()), wait);
  return {events_.data(), static_cast<std::size_t>(std::max(count, 0))};  // EINTR: no events
}

}  // namespace adit::shard
