#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <variant>

#include "adit/dataplane/v1/control.pb.h"
#include "common/mutex.h"
#include "common/time.h"

namespace adit::rpc {

// What the stream brings, in order. Bounded: the reader waits while it is full, and so does the
// other end, by flow control.
//
// Thread: any; one reader puts, one worker takes.
class Inbox {
 public:
  static constexpr std::size_t kMaxItems = 8;

  struct Connected {
    std::uint64_t stream = 0;
  };
  struct Disconnected {};
  using Item = std::variant<Connected, adit::dataplane::v1::FromControlplane, Disconnected>;

  // Waits for room; false once closed.
  bool Put(Item item);
  // Waits at most this long; nullopt then, after Wake, or once closed.
  [[nodiscard]] std::optional<Item> Take(Duration timeout);
  void Wake();
  void Close();
  [[nodiscard]] bool is_closed() const;

 private:
  mutable Mutex mutex_;
  CondVar changed_;
  bool is_closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_woken_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<Item> items_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace adit::rpc
