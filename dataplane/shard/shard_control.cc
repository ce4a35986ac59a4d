// What other threads ask of a shard.
#include <utility>

#include "dataplane/shard/shard.h"

namespace adit::shard {

void Shard::RequestStop() {
  is_stop_requested_.store(true, std::memory_order_release);
  mailbox_->Wake();
}

bool Shard::Post(Task task) { return mailbox_->Push(std::move(task)); }

std::shared_ptr<Completion> Shard::Begin(const Task& task) {
  auto completion = std::make_shared<Completion>();
  auto guard = std::make_shared<CompletionGuard>(completion);
  (void)Post([&task, guard](engine::Engine& engine, Now now) {
    task(engine, now);
    guard->NoteRun();
  });
  return completion;
}

bool Shard::Call(const Task& task) { return Begin(task)->Wait(); }

absl::Status Shard::ExchangeSockets(io::UdpSockets& sockets) {
  absl::Status status;
  const bool has_run = Call([&](engine::Engine& engine, Now) {
    status = ReplaceSockets(sockets);
    engine.SetListenPort(listen_port());
  });
  return has_run ? status : Unavailable("exchange the sockets: the device is stopping");
}

absl::Status Shard::ReplaceSockets(io::UdpSockets& sockets) {
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

void Shard::HandleRouteEvent(const RouteEvent& event) {
  (void)Call([&](engine::Engine& engine, Now) {
    engine.HandleRouteEvent(event);
    queue_.HandleRouteEvent();
  });
}

}  // namespace adit::shard
