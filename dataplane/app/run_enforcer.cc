#include "dataplane/app/run_enforcer.h"

#include <atomic>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "common/log.h"
#include "common/spare_descriptor.h"
#include "common/status.h"
#include "dataplane/host/route_refusal.h"

namespace adit::app {
namespace {

constexpr std::uint32_t kReportsPerTask = 256;
// With fewer, settings that are there would look as if they were not.
constexpr int kDescriptorsToReevaluate = 16;
// A route that is missing is missing for thousands of prefixes.
constexpr std::size_t kMaxProblemsLogged = 16;

}  // namespace

RunEnforcer::RunEnforcer(shard::ShardGroup& shards, host::HostSetup host,
                         std::vector<IpPrefix> allowed_routes)
    : shards_(shards), allowed_routes_(std::move(allowed_routes)), host_(std::move(host)) {}

void RunEnforcer::TellProblems(std::function<void(const std::vector<rpc::HostProblem>&)> listener) {
  const MutexLock lock(mutex_);
  listener_ = std::move(listener);
  if (listener_) {
    listener_(problems_);
  }
}

void RunEnforcer::PublishProblems() {
  std::vector<rpc::HostProblem> problems;
  if (interface_problem_) {
    problems.push_back(*interface_problem_);
  }
  for (const host::HostProblem& problem : host_.problems()) {
    problems.push_back({problem.setting, problem.remedy});
  }
  std::set<std::pair<std::string_view, std::string_view>> known;
  for (const rpc::HostProblem& problem : problems_) {
    known.emplace(problem.setting, problem.remedy);
  }
  std::size_t fresh = 0;
  for (const rpc::HostProblem& problem : problems) {
    const bool is_fresh = !known.contains({problem.setting, problem.remedy});
    if (is_fresh && fresh++ < kMaxProblemsLogged) {
      LOG_WARN("{} keeps traffic from passing: {}", problem.setting, problem.remedy);
    }
  }
  if (fresh > kMaxProblemsLogged) {
    LOG_WARN("{} more like these keep traffic from passing", fresh - kMaxProblemsLogged);
  }
  const bool has_changed = problems != problems_;
  if (has_changed && problems.empty()) {
    LOG_INFO("nothing on this host keeps traffic from passing any more");
  }
  problems_ = std::move(problems);
  if (has_changed && listener_) {
    listener_(problems_);
  }
}

void RunEnforcer::ApplyEmptyHostIfNone() {
  bool has_applied = false;
  {
    const MutexLock lock(mutex_);
    has_applied = has_applied_host_;
  }
  if (!has_applied) {
    ApplyHost({});
  }
}

bool RunEnforcer::Reevaluate() {
  if (!CanOpenDescriptors(kDescriptorsToReevaluate)) {
    return false;
  }
  const MutexLock lock(mutex_);
  if (host_.Reevaluate()) {
    PublishProblems();
  }
  return true;
}

bool RunEnforcer::has_problems() {
  const MutexLock lock(mutex_);
  return !problems_.empty();
}

absl::Status RunEnforcer::RemakeInterface() {
  const MutexLock lock(mutex_);
  RETURN_IF_ERROR(shards_.ReattachTun());
  NoteApplied(host_.AdoptInterface());
  return absl::OkStatus();
}

absl::Status RunEnforcer::RemoveFromHost() {
  const MutexLock lock(mutex_);
  return host_.Remove();
}

std::optional<rpc::Problem> RunEnforcer::CheckInterface(const rpc::InterfaceObject& interface) {
  const MutexLock lock(mutex_);
  // Endpoints inside the allowed ranges are refused where peers are judged.
  const auto bounds = host_.Bounds(allowed_routes_, {});
  if (!bounds.ok()) {
    return rpc::Problem{"", "HOST_UNKNOWN", MessageOf(bounds.status())};
  }
  for (std::size_t i = 0; i < interface.tunnel_ranges.size(); ++i) {
    if (auto refusal = host::RouteRefusal(interface.tunnel_ranges[i], *bounds)) {
      return rpc::Problem{fmt::format("tunnel_ranges[{}]", i), "FORBIDDEN_ROUTE",
                          *std::move(refusal)};
    }
  }
  return std::nullopt;
}

void RunEnforcer::ApplyHost(const rpc::HostConfig& config) {
  host::WantedHost wanted;
  for (const IpPrefix& address : config.addresses) {
    wanted.addresses.push_back(address.address());
  }
  wanted.routes = config.tunnel_ranges;
  for (const rpc::ServedPrefix& served : config.served) {
    wanted.served.push_back({served.prefix, served.nat});
  }
  const MutexLock lock(mutex_);
  has_applied_host_ = true;
  NoteApplied(host_.Apply(wanted));
}

void RunEnforcer::NoteApplied(const absl::Status& applied) {
  interface_problem_.reset();
  if (!applied.ok()) {
    interface_problem_ = rpc::HostProblem{"interface " + shards_.tun().name(), MessageOf(applied)};
  }
  PublishProblems();
}

bool RunEnforcer::Apply(const engine::Update& update) {
  std::atomic<bool> has_room{true};
  (void)shards_.Call([&](engine::Engine& engine, Now now) {
    if (!engine.Apply(update, now)) {
      has_room.store(false);
    }
  });
  return has_room.load();
}

void RunEnforcer::Restore(const std::vector<engine::PeerMemory>& memories,
                          WallTime timestamp_mark) {
  (void)shards_.Call([&](engine::Engine& engine, Now) {
    engine.RestoreTimestampMark(timestamp_mark);
    engine.Restore(memories);
  });
}

void RunEnforcer::AppendReports(std::vector<engine::PeerReport>& out) {
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    std::uint32_t next = 0;
    do {
      const std::uint32_t first = std::exchange(next, 0);
      (void)shards_.CallOne(i, [&](engine::Engine& engine, Now) {
        next = engine.AppendReports(first, kReportsPerTask, out, engine::ReportDetail::kActivity);
      });
    } while (next != 0);
  }
}

engine::Counters RunEnforcer::Counters() { return shards_.counters().engine; }

WallTime RunEnforcer::GreatestTimestamp() {
  WallTime greatest;
  (void)shards_.CallOne(
      0, [&](engine::Engine& engine, Now) { greatest = engine.greatest_timestamp(); });
  return greatest;
}

}  // namespace adit::app
