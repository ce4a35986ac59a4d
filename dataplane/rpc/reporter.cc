#include "dataplane/rpc/reporter.h"

#include <utility>

#include "dataplane/rpc/answers.h"

namespace adit::rpc {
namespace {

constexpr Duration kEvery = seconds(1);
constexpr Duration kEveryWhileIdle = seconds(10);

}  // namespace

void Reporter::Start() {
  thread_ = std::thread([this] { Work(); });
}

void Reporter::Stop() {
  if (!thread_.joinable()) {
    return;
  }
  {
    const MutexLock lock(mutex_);
    is_stopping_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
  Save();
}

void Reporter::SetStatsInterval(Duration interval) {
  const MutexLock lock(mutex_);
  stats_interval_ = interval;
}

void Reporter::StreamBegan() {
  const MutexLock lock(mutex_);
  last_stats_ = clock_.Read().boot;
}

void Reporter::Work() {
  Instant next = clock_.Read().boot + kEvery;
  Instant look_at = next;
  while (true) {
    {
      const MutexLock lock(mutex_);
      while (!is_stopping_ && clock_.Read().boot < next) {
        changed_.WaitFor(mutex_, next - clock_.Read().boot);
      }
      if (is_stopping_) {
        return;
      }
    }
    const Now now = clock_.Read();
    next = now.boot + kEvery;
    const bool has_moved = HasAnythingMoved();
    const bool are_stats_due = AreStatsDue(now.boot);
    if (has_moved || are_stats_due || now.boot >= look_at) {
      look_at = now.boot + kEveryWhileIdle;
      Look(now, are_stats_due);
    }
  }
}

void Reporter::Look(Now now, bool are_stats_due) {
  Save();
  std::vector<Outgoing> events;
  watch_.Compare(reports_, now.wall, events);
  for (Outgoing& event : events) {
    outbox_.PutEvent(std::move(event));
  }
  if (are_stats_due) {
    outbox_.PutStats(MakeStats(reports_, enforcer_.Counters(), now.wall));
  }
}

bool Reporter::HasAnythingMoved() {
  const engine::Counters counters = enforcer_.Counters();
  return std::exchange(last_counters_, counters) != counters;
}

void Reporter::Save() {
  reports_.clear();
  enforcer_.AppendReports(reports_);
  memory_.Save(reports_, enforcer_.GreatestTimestamp(), clock_.Read());
}

bool Reporter::AreStatsDue(Instant now) {
  const MutexLock lock(mutex_);
  if (stats_interval_ <= Duration(0) || now - last_stats_ < stats_interval_) {
    return false;
  }
  last_stats_ = now;
  return true;
}

}  // namespace adit::rpc
