// What other threads ask of a shard.
#include <utility>

#include "common/mutex.h"
#include "dataplane/shard/shard.h"

namespace adit::shard {

namespace {

// Says that a task has run, or that it never will: the task's last copy is gone.
class Completion {
 public:
  void Finish(bool has_run) {
    const MutexLock lock(mutex_);
    has_run_ = has_run;
    is_finished_ = true;
    finished_.NotifyAll();
  }
  [[nodiscard]] bool Wait() {
    const MutexLock lock(mutex_);
    while (!is_finished_) {
      finished_.Wait(mutex_);
    }
    return has_run_;
  }

 private:
  Mutex mutex_;
  CondVar finished_;
  bool is_finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_run_ ABSL_GUARDED_BY(mutex_) = false;
};

// Travels with a task: when the task is destroyed without having run, the caller learns it.
class CompletionGuard {
 public:
  explicit CompletionGuard(std::shared_ptr<Completion> completion)
      : completion_(std::move(completion)) {}
  CompletionGuard(const CompletionGuard&) = delete;
  CompletionGuard& operator=(const CompletionGuard&) = delete;
  ~CompletionGuard() { completion_->Finish(has_run_); }
  void NoteRun() { has_run_ = true; }

 private:
  const std::shared_ptr<Completion> completion_;
  bool has_run_ = false;
};

}  // namespace

void Shard::RequestStop() {
  is_stop_requested_.store(true, std::memory_order_release);
  mailbox_->Wake();
}

bool Shard::Post(Task task) { return mailbox_->Push(std::move(task)); }

bool Shard::Call(const Task& task) {
  const auto completion = std::make_shared<Completion>();
  {
    auto guard = std::make_shared<CompletionGuard>(completion);
    (void)Post([&task, guard](engine::Engine& engine, Now now) {
      task(engine, now);
      guard->NoteRun();
    });
  }
  return completion->Wait();
}

absl::Status Shard::SetListenPort(std::uint16_t port) {
  if (port != 0 && port == listen_port()) {
    return absl::OkStatus();
  }
  io::UdpOptions options = udp_options_;
  options.port = port;
  options.mark = firewall_mark();
  ASSIGN_OR_RETURN(io::UdpSockets sockets, io::UdpSockets::Open(syscalls_, options));
  absl::Status status;
  const bool has_run = Call([&](engine::Engine& engine, Now) {
    status = ReplaceSockets(std::move(sockets));
    engine.SetListenPort(listen_port());
  });
  return has_run ? status : Unavailable("set the listen port: the device is stopping");
}

absl::Status Shard::ReplaceSockets(io::UdpSockets sockets) {
  std::swap(sockets_, sockets);
  absl::Status status = WatchSockets();
  if (!status.ok()) {
    std::swap(sockets_, sockets);
    return status;
  }
  for (const IpFamily family : io::kFamilies) {
    awaits_writable_[io::IndexOf(family)] = false;
    is_udp_readable_[io::IndexOf(family)] = false;
    const io::UdpSocket* socket = sockets_.Of(family);
    queue_.HandleSocketReplaced(family, socket == nullptr || socket->has_gso());
  }
  listen_port_.store(sockets_.port());
  return absl::OkStatus();
}

absl::Status Shard::SetFirewallMark(std::uint32_t mark) {
  absl::Status status;
  const bool has_run = Call([&](engine::Engine& engine, Now) {
    status = sockets_.SetMark(mark);
    if (status.ok()) {
      firewall_mark_.store(mark);
      engine.ForgetSources();  // the mark may lead over another route
    }
  });
  return has_run ? status : Unavailable("set the firewall mark: the device is stopping");
}

absl::Status Shard::ReattachTun() {
  absl::Status status;
  const bool has_run = Call([&](engine::Engine&, Now) {
    status = tun_.Reattach();
    is_tun_readable_ = true;
  });
  return has_run ? status : Unavailable("make the interface again: the device is stopping");
}

void Shard::SetLink(bool is_up, std::uint32_t mtu, const std::vector<IpAddress>& own_addresses) {
  (void)Call([&](engine::Engine& engine, Now now) {
    engine.SetMtu(mtu);
    engine.SetOwnAddresses(own_addresses);
    engine.SetLinkUp(is_up, now);
  });
}

void Shard::HandleRouteEvent(const RouteEvent& event) {
  (void)Call([&](engine::Engine& engine, Now) {
    engine.HandleRouteEvent(event);
    queue_.HandleRouteEvent();
  });
}

}  // namespace adit::shard
