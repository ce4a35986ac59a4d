#include "dataplane/shard/group.h"

#include <utility>

#include <fmt/format.h>

#include "dataplane/engine/steering.h"
#include "dataplane/io/udp_sockets.h"

namespace adit::shard {
namespace {

// A full mailbox empties with the shard's next turn.
constexpr Duration kFullMailboxRetry = milliseconds(1);

}  // namespace

absl::StatusOr<std::unique_ptr<ShardGroup>> ShardGroup::Make(GroupParts parts,
                                                             const GroupOptions& options) {
  const std::size_t count = parts.aeads.size();
  if (count == 0 || count > kMaxShards) {
    return InvalidArgument(fmt::format("{} shards: from 1 to {} is possible", count, kMaxShards));
  }
  std::unique_ptr<ShardGroup> group(new ShardGroup(parts, options));
  ASSIGN_OR_RETURN(
      std::vector<io::UdpSockets> sockets,
      io::UdpSockets::OpenGroup(parts.syscalls, options.udp, count, engine::kSteeringBytes));
  group->limitations_ = sockets.front().limitations();
  std::vector<Shard*> all;
  for (std::size_t i = 0; i < count; ++i) {
    engine::EngineOptions engine = options.engine;
    engine.shard = static_cast<std::uint8_t>(i);
    engine.shard_count = static_cast<std::uint8_t>(count);
    engine.handshake_queue_capacity = engine::HandshakeQueue::kTotalCapacity / count;
    ASSIGN_OR_RETURN(
        std::unique_ptr<Shard> shard,
        Shard::Make({.syscalls = parts.syscalls,
                     .clock = parts.clock,
                     .random = parts.random,
                     .arena = parts.arena,
                     .shared = group->shared_,
                     .tun = group->tun_,
                     .aead = std::move(parts.aeads[i]),
                     .sockets = std::move(sockets[i])},
                    {.engine = engine, .ends_with_interface = options.ends_with_interface}));
    all.push_back(shard.get());
    group->shards_.push_back(std::move(shard));
  }
  if (count > 1) {
    for (Shard* shard : all) {
      shard->Join(all);
    }
  }
  return group;
}

ShardGroup::ShardGroup(GroupParts& parts, const GroupOptions& options)
    : syscalls_(parts.syscalls),
      clock_(parts.clock),
      tun_(std::move(parts.tun)),
      shared_(parts.random),
      udp_options_(options.udp),
      firewall_mark_(options.udp.mark) {}

ShardGroup::~ShardGroup() { Stop(); }

void ShardGroup::Start(const std::function<void()>& on_interface_gone) {
  is_started_.store(true);
  for (const auto& shard : shards_) {
    threads_.emplace_back([this, raw = shard.get(), on_interface_gone] {
      if (raw->Run() == Shard::End::kInterfaceGone) {
        for (const auto& other : shards_) {
          other->RequestStop();
        }
        on_interface_gone();
      }
    });
  }
}

void ShardGroup::Stop() {
  for (const auto& shard : shards_) {
    shard->RequestStop();
  }
  for (std::thread& thread : threads_) {
    thread.join();
  }
  threads_.clear();
}

bool ShardGroup::Finish(Shard& shard, const Task& task, std::shared_ptr<Completion> completion) {
  while (!completion->Wait()) {
    if (shard.HasEnded()) {
      return false;
    }
    std::this_thread::sleep_for(kFullMailboxRetry);
    completion = shard.Begin(task);
  }
  return true;
}

bool ShardGroup::Call(const Task& task) {
  if (!is_started_.load()) {
    for (const auto& shard : shards_) {
      task(shard->engine(), clock_.Read());
    }
    return true;
  }
  const MutexLock lock(order_);
  std::vector<std::shared_ptr<Completion>> completions;
  completions.reserve(shards_.size());
  for (const auto& shard : shards_) {
    completions.push_back(shard->Begin(task));
  }
  bool has_run = true;
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    has_run = Finish(*shards_[i], task, std::move(completions[i])) && has_run;
  }
  return has_run;
}

bool ShardGroup::CallOne(std::size_t number, const Task& task) {
  Shard& shard = *shards_[number];
  if (!is_started_.load()) {
    task(shard.engine(), clock_.Read());
    return true;
  }
  return Finish(shard, task, shard.Begin(task));
}

absl::Status ShardGroup::SetListenPort(std::uint16_t port) {
  if (port != 0 && port == listen_port()) {
    return absl::OkStatus();
  }
  io::UdpOptions options = udp_options_;
  options.port = port;
  options.mark = firewall_mark();
  ASSIGN_OR_RETURN(std::vector<io::UdpSockets> sockets,
                   io::UdpSockets::OpenGroup(syscalls_, options, size(), engine::kSteeringBytes));
  for (std::size_t i = 0; i < size(); ++i) {
    absl::Status status = shards_[i]->ExchangeSockets(sockets[i]);
    if (!status.ok()) {
      while (i-- > 0) {
        (void)shards_[i]->ExchangeSockets(sockets[i]);
      }
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status ShardGroup::SetFirewallMark(std::uint32_t mark) {
  for (const auto& shard : shards_) {
    RETURN_IF_ERROR(shard->SetFirewallMark(mark));
  }
  firewall_mark_.store(mark);
  return absl::OkStatus();
}

void ShardGroup::SetLink(bool is_up, std::uint32_t mtu,
                         const std::vector<IpAddress>& own_addresses) {
  (void)Call([&](engine::Engine& engine, Now now) {
    engine.SetMtu(mtu);
    engine.SetOwnAddresses(own_addresses);
    engine.SetLinkUp(is_up, now);
  });
}

void ShardGroup::HandleRouteEvent(const RouteEvent& event) {
  for (const auto& shard : shards_) {
    shard->HandleRouteEvent(event);
  }
}

ShardCounters ShardGroup::counters() const {
  ShardCounters sum;
  for (const auto& shard : shards_) {
    sum += shard->counters();
  }
  return sum;
}

}  // namespace adit::shard
