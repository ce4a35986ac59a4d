#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "common/mutex.h"
#include "dataplane/rpc/answers.h"

namespace adit::rpc {

// What waits to be written to the stream. Bounded: answers go first and are never dropped, events
// and statistics are (counted), so that a slow reader delays only itself.
//
// Streams are numbered. One is open once its Hello is put; what is put while none is open is
// forgotten, so that nothing meant for one stream reaches the next.
//
// Thread: any; one writer takes.
class Outbox {
 public:
  static constexpr std::size_t kMaxAnswers = 64;
  static constexpr std::size_t kMaxEvents = 512;

  // The writer's side: stream `number` began, or ended.
  void Begin(std::uint64_t number);
  void End();

  // Does nothing unless it is this stream that waits for its Hello.
  void PutHello(std::uint64_t number, Outgoing hello);
  // False: that many wait, so the other end does not read; the stream should end.
  [[nodiscard]] bool PutAnswer(Outgoing message);
  void PutEvent(Outgoing message);
  // Replaces statistics that still wait.
  void PutStats(std::vector<Outgoing> messages);

  // Waits for a message; nullopt once the stream has ended.
  [[nodiscard]] std::optional<Outgoing> Take();
  [[nodiscard]] std::uint64_t dropped() const;

 private:
  enum class State : std::uint8_t { kEnded, kBegun, kOpen };

  mutable Mutex mutex_;
  CondVar changed_;
  State state_ ABSL_GUARDED_BY(mutex_) = State::kEnded;
  std::uint64_t number_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<Outgoing> answers_ ABSL_GUARDED_BY(mutex_);
  std::deque<Outgoing> events_ ABSL_GUARDED_BY(mutex_);
  std::deque<Outgoing> stats_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace adit::rpc
