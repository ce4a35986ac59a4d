#include "dataplane/rpc/sync_client.h"

#include <thread>
#include <utility>

#include <fmt/format.h>

#include "common/log.h"
#include "common/mutex.h"
#include "common/status.h"
#include "dataplane/rpc/answers.h"
#include "dataplane/rpc/control_link.h"
#include "dataplane/rpc/inbox.h"
#include "dataplane/rpc/outbox.h"
#include "dataplane/rpc/reporter.h"
#include "dataplane/rpc/restart_memory.h"
#include "dataplane/rpc/update_pipeline.h"
#include "dataplane/state/view_store.h"

namespace adit::rpc {
namespace {

namespace pb = ::adit::dataplane::v1;

constexpr Duration kTick = seconds(1);
constexpr std::uint32_t kMaxStatsSeconds = 3600;

class Client final : public SyncClient {
 public:
  Client(SyncOptions options, Enforcer& enforcer, const Clock& clock,
         std::unique_ptr<state::ViewStore> store, std::unique_ptr<RestartMemory> memory)
      : options_(std::move(options)),
        enforcer_(enforcer),
        clock_(clock),
        store_(std::move(store)),
        memory_(std::move(memory)),
        pipeline_(options_.limits, *store_, enforcer_, clock_),
        reporter_(enforcer_, clock_, *memory_, outbox_, options_.stats_interval),
        link_(options_.channel, options_.controlplane_uids, inbox_, outbox_) {}
  ~Client() override { Client::Stop(); }

  absl::Status RestoreView(std::optional<state::StoredView> view) {
    RETURN_IF_ERROR(pipeline_.Restore(std::move(view), memory_->last_known()));
    enforcer_.Restore(memory_->peers(), memory_->timestamp_mark());
    Publish(false);
    return absl::OkStatus();
  }

  void Start() override {
    worker_ = std::thread([this] { Work(); });
    reporter_.Start();
    link_.Start();
  }

  void Stop() override {
    if (!worker_.joinable()) {
      return;
    }
    inbox_.Close();
    link_.Stop();
    worker_.join();
    reporter_.Stop();
  }

  void SetHostProblems(std::vector<HostProblem> problems) override {
    const MutexLock lock(mutex_);
    if (problems != host_problems_) {
      host_problems_ = std::move(problems);
      are_problems_told_ = false;
      inbox_.Wake();
    }
  }

  void SetStatsInterval(Duration interval) override { reporter_.SetStatsInterval(interval); }

  [[nodiscard]] Status GetStatus() const override {
    const MutexLock lock(mutex_);
    return status_;
  }

 private:
  // --- the worker's
  void Work() {
    Instant next_tick = clock_.Read().boot + kTick;
    while (!inbox_.is_closed()) {
      const Instant now = clock_.Read().boot;
      if (now >= next_tick) {
        Tick();
        next_tick = now + kTick;
        continue;
      }
      if (auto item = inbox_.Take(next_tick - now)) {
        std::visit([this](auto& it) { Handle(it); }, *item);
      }
      TellHostProblems();
    }
  }

  void Handle(const Inbox::Connected& connected) {
    std::vector<HostProblem> problems;
    {
      const MutexLock lock(mutex_);
      problems = host_problems_;
      are_problems_told_ = true;
    }
    pipeline_.StreamEnded();
    outbox_.PutHello(connected.stream, MakeHello(options_, pipeline_.state(), problems));
    reporter_.StreamBegan();
  }

  void Handle(const Inbox::Disconnected&) {
    pipeline_.StreamEnded();
    Publish(false);
  }

  void Handle(pb::FromControlplane& message) {
    switch (message.message_case()) {
      case pb::FromControlplane::kSnapshot:
        if (auto answer = pipeline_.Handle(std::move(*message.mutable_snapshot()))) {
          Answer(*std::move(answer));
        }
        break;
      case pb::FromControlplane::kDelta:
        Answer(pipeline_.Handle(std::move(*message.mutable_delta())));
        break;
      case pb::FromControlplane::kPing:
        HandlePing(message.ping());
        break;
      case pb::FromControlplane::kDrain:
        LOG_INFO("the control plane asks to end the stream: {}", message.drain().reason());
        link_.EndStream();
        break;
      case pb::FromControlplane::kSetLogLevel:
        HandleLogLevel(message.set_log_level().level());
        break;
      case pb::FromControlplane::kHelloRefused:
        HandleRefused(message.hello_refused());
        return;
      case pb::FromControlplane::kAccessGranted:
      case pb::FromControlplane::kAccessDenied:
      case pb::FromControlplane::kCandidates:
        LOG_DEBUG("the control plane answered what was not asked");
        break;
      case pb::FromControlplane::MESSAGE_NOT_SET:
        Answer(MakeNack(
            0, 0,
            Refusal{{}, false, "a message this data plane does not know: update the data plane"}));
        break;
    }
    pipeline_.CompactIfNeeded();
    Publish(true);
  }

  void Answer(Outgoing answer) {
    if (!outbox_.PutAnswer(std::move(answer))) {
      LOG_INFO("the control plane does not read its answers: ending the stream");
      link_.EndStream();
    }
  }

  void HandlePing(const pb::Ping& ping) {
    pipeline_.HubSpoke(ping.hub_now_unix_ns());
    if (ping.has_stats_interval_seconds()) {
      SetStatsInterval(seconds(std::min(ping.stats_interval_seconds(), kMaxStatsSeconds)));
    }
    Answer(MakePong(ping.nonce()));
  }

  void HandleLogLevel(const std::string& level) {
    const absl::Status set = SetLogLevel(level);
    if (set.ok()) {
      LOG_INFO("the control plane set the log level to {}", level);
    } else {
      outbox_.PutEvent(MakeFault("BAD_LOG_LEVEL", MessageOf(set), clock_.Read().wall));
    }
  }

  void HandleRefused(const pb::HelloRefused& refused) {
    if (refused.reason() != refused_reason_) {
      refused_reason_ = refused.reason();
      LOG_WARN("the control plane refuses this data plane: {} ({}); trying again", refused.text(),
               refused.reason());
    }
  }

  void Tick() {
    std::vector<Outgoing> events;
    pipeline_.Observe(events);
    for (Outgoing& event : events) {
      outbox_.PutEvent(std::move(event));
    }
  }

  void TellHostProblems() {
    const MutexLock lock(mutex_);
    if (!are_problems_told_ && status_.is_connected) {
      are_problems_told_ = true;
      outbox_.PutEvent(MakeHostChanged(host_problems_, clock_.Read().wall));
    }
  }

  void Publish(bool is_connected) {
    const MutexLock lock(mutex_);
    status_ = {is_connected, pipeline_.state().epoch(), pipeline_.state().revision()};
    if (is_connected) {
      refused_reason_.clear();
    }
  }

  const SyncOptions options_;
  Enforcer& enforcer_;
  const Clock& clock_;
  const std::unique_ptr<state::ViewStore> store_;
  const std::unique_ptr<RestartMemory> memory_;
  UpdatePipeline pipeline_;
  std::string refused_reason_;  // said once

  mutable Mutex mutex_;
  std::vector<HostProblem> host_problems_ ABSL_GUARDED_BY(mutex_);
  bool are_problems_told_ ABSL_GUARDED_BY(mutex_) = true;
  Status status_ ABSL_GUARDED_BY(mutex_);

  Inbox inbox_;
  Outbox outbox_;
  Reporter reporter_;
  ControlLink link_;
  std::thread worker_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<SyncClient>> SyncClient::Restore(
    const state::StateDirectory& directory, SyncOptions options, Enforcer& enforcer,
    const Clock& clock) {
  state::ViewStore::Loaded loaded;
  ASSIGN_OR_RETURN(auto store, state::ViewStore::Open(directory, {}, loaded));
  if (!loaded.problem.empty()) {
    LOG_WARN("{}: everything is denied until the control plane has sent a snapshot",
             loaded.problem);
  }
  ASSIGN_OR_RETURN(auto memory, RestartMemory::Open(directory, clock.Read()));
  auto client = std::make_unique<Client>(std::move(options), enforcer, clock, std::move(store),
                                         std::move(memory));
  RETURN_IF_ERROR(client->RestoreView(std::move(loaded.view)));
  return client;
}

}  // namespace adit::rpc
