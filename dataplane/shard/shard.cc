// The loop: from readiness to packets and back to sleep.
#include "dataplane/shard/shard.h"

#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "dataplane/shard/refusal_log.h"

namespace adit::shard {
namespace {

// What epoll's events are known by. A socket's tag is kUdpTag + IndexOf(family).
constexpr std::uint32_t kMailboxTag = 0;
constexpr std::uint32_t kTunTag = 1;
constexpr std::uint32_t kUdpTag = 2;

// What one turn reads from TUN before UDP has its turn: two worst super-packets, or as many small
// packets as fill a train.
constexpr std::size_t kTunBytesPerTurn = 2 * packet::kMaxSuperPacketSize;
constexpr int kTunReadsPerTurn = 64;

// Between a read of TUN that failed (no memory) and the next.
constexpr Duration kTunRetry = milliseconds(10);

// The steps between two looks at a socket that is not writable while the last data leaves.
constexpr Duration kFlushStep = milliseconds(1);

}  // namespace

absl::StatusOr<std::unique_ptr<Shard>> Shard::Make(ShardParts parts, const ShardOptions& options) {
  ASSIGN_OR_RETURN(std::unique_ptr<Mailbox> mailbox, Mailbox::Make());
  ASSIGN_OR_RETURN(Poller poller, Poller::Make());
  std::unique_ptr<Shard> shard(
      new Shard(std::move(parts), options, std::move(mailbox), std::move(poller)));
  RETURN_IF_ERROR(shard->poller_.Add(shard->mailbox_->fd(), kMailboxTag, EPOLLIN));
  if (shard->IsReader()) {
    RETURN_IF_ERROR(shard->poller_.Add(shard->tun_.fd(), kTunTag, EPOLLIN | EPOLLET));
  }
  RETURN_IF_ERROR(shard->WatchSockets());
  return shard;
}

Shard::Shard(ShardParts parts, const ShardOptions& options, std::unique_ptr<Mailbox> mailbox,
             Poller poller)
    : syscalls_(parts.syscalls),
      clock_(parts.clock),
      aead_(std::move(parts.aead)),
      tun_(parts.tun),
      sockets_(std::move(parts.sockets)),
      number_(options.engine.shard),
      ends_with_interface_(options.ends_with_interface),
      tun_reader_(syscalls_, tun_.fd()),
      tun_writer_(syscalls_, tun_.fd(), tun_.offloads()),
      udp_receiver_(syscalls_),
      udp_sender_(syscalls_, sockets_, clock_),
      engine_({.datagrams = queue_,
               .tun = tun_writer_,
               .aead = *aead_,
               .arena = parts.arena,
               .random = parts.random,
               .shared = parts.shared,
               .neighbours = &neighbours_},
              options.engine),
      mailbox_(std::move(mailbox)),
      poller_(std::move(poller)),
      listen_port_(sockets_.port()) {
  engine_.SetListenPort(sockets_.port());
  for (const IpFamily family : io::kFamilies) {
    const io::UdpSocket* socket = sockets_.Of(family);
    queue_.HandleSocketReplaced(family, socket == nullptr || socket->has_gso());
  }
  tasks_.reserve(Mailbox::kCapacity);
}

Shard::~Shard() { mailbox_->Close(); }

absl::Status Shard::WatchSockets() {
  for (const IpFamily family : io::kFamilies) {
    if (const io::UdpSocket* socket = sockets_.Of(family)) {
      const auto tag = kUdpTag + static_cast<std::uint32_t>(io::IndexOf(family));
      RETURN_IF_ERROR(poller_.Add(socket->fd(), tag, EPOLLIN));
    }
  }
  return absl::OkStatus();
}

Shard::End Shard::Run() {
  (void)pthread_setname_np(pthread_self(), fmt::format("shard {}", number_).c_str());
  bool has_more_handshakes = false;
  while (!is_stop_requested_.load(std::memory_order_acquire) && !is_interface_gone_) {
    const Now now = clock_.Read();
    ++turns_;
    RunTasks(now);
    if (IsReader()) {
      ReadTun(now);
    } else {
      ReadRing(now);
    }
    ReceiveUdp(now);
    TakeHandedOver(now);
    has_more_handshakes = engine_.ServeHandshakes(now);
    if (engine_.PollTimeout() <= now.boot) {
      engine_.HandleTimeout(now);
    }
    engine_.FlushPending(now);
    Drain(now);
    Sleep(has_more_handshakes, now);
  }
  FlushAtEnd();
  engine_.Wipe();
  mailbox_->Close();
  Publish(clock_.Read().boot);
  return is_interface_gone_ ? End::kInterfaceGone : End::kStopped;
}

void Shard::RunTasks(Now now) {
  if (!has_mail_) {
    return;
  }
  has_mail_ = false;
  mailbox_->TakeAll(tasks_);
  for (const Task& task : tasks_) {
    task(engine_, now);
  }
  tasks_.clear();
}

void Shard::ReadTun(Now now) {
  if (now.boot >= tun_retry_at_) {
    tun_retry_at_ = Instant::Max();
    is_tun_readable_ = true;
  }
  std::size_t bytes = 0;
  for (int i = 0; i < kTunReadsPerTurn && bytes < kTunBytesPerTurn; ++i) {
    if (!MayReadTun()) {
      return;
    }
    const io::TunRead read = tun_reader_.Read();
    switch (read.outcome) {
      case io::TunRead::Outcome::kPacket:
        bytes += read.packet.bytes.size();
        HandleTunPacket(read.packet, now);
        break;
      case io::TunRead::Outcome::kDropped:
        break;
      case io::TunRead::Outcome::kFailed:
        is_tun_readable_ = false;
        if (read.error == EBADFD) {
          is_interface_gone_ = ends_with_interface_;
        } else {
          tun_retry_at_ = now.boot + kTunRetry;
        }
        break;
      case io::TunRead::Outcome::kEmpty:
        is_tun_readable_ = false;
        break;
    }
  }
}

void Shard::ReadRing(Now now) {
  std::size_t bytes = 0;
  for (int i = 0; i < kTunReadsPerTurn && bytes < kTunBytesPerTurn && MayReadTun(); ++i) {
    const packet::SuperPacket& packet = *ring_->Front();
    bytes += packet.bytes.size();
    engine_.HandleTunPacket(packet, now);
    if (ring_->Pop()) {
      neighbours_.shards.front()->WakeIfAsleep();
    }
  }
}

void Shard::ReceiveUdp(Now now) {
  for (const IpFamily family : io::kFamilies) {
    const io::UdpSocket* socket = sockets_.Of(family);
    if (!std::exchange(is_udp_readable_[io::IndexOf(family)], false) || socket == nullptr) {
      continue;
    }
    for (const packet::ReceivedTrain& train : udp_receiver_.Receive(*socket)) {
      engine_.HandleUdpTrain(train, now);
    }
    // Plaintext lies in the receiver's buffers.
    tun_writer_.FlushDeliveries();
  }
  if (const auto garbled = engine_.PollGarbledTrains()) {
    LogGarbledTrains(*garbled);
  }
}

void Shard::Drain(Now now) {
  const io::DrainReport& report = queue_.Drain(udp_sender_, now.boot);
  for (const io::RefusalEvent& event : report.refusals) {
    LogRefusal(event);
  }
  for (const io::ForgottenSource& forgotten : report.forgotten_sources) {
    if (forgotten.peer == io::ForgottenSource::kNoPeer) {
      engine_.ForgetSources();
    } else {
      engine_.ForgetSource(forgotten.peer, forgotten.source.address);
    }
  }
  for (const IpFamily family : io::kFamilies) {
    const std::size_t index = io::IndexOf(family);
    const io::UdpSocket* socket = sockets_.Of(family);
    if (socket != nullptr && report.await_writable[index] != awaits_writable_[index]) {
      awaits_writable_[index] = report.await_writable[index];
      const std::uint32_t events = awaits_writable_[index] ? EPOLLIN | EPOLLOUT : EPOLLIN;
      poller_.Change(socket->fd(), kUdpTag + static_cast<std::uint32_t>(index), events);
    }
  }
  if (queue_.IsStuckCheckDue(now.boot)) {
    queue_.GiveUpIfStuck({.tun_is_readable = IsReader() ? is_tun_readable_ : !ring_->IsEmpty(),
                          .carried_data_recently = {CarriedDataRecently(IpFamily::kV4, now.boot),
                                                    CarriedDataRecently(IpFamily::kV6, now.boot)}},
                         now.boot);
  }
}

void Shard::Sleep(bool has_more_handshakes, Now now) {
  Instant wake_at = std::min({engine_.PollTimeout(), queue_.PollTimeout(), tun_retry_at_});
  if (now.boot >= next_publish_) {
    Publish(now.boot);
  } else {
    wake_at = std::min(wake_at, next_publish_);
  }
  if (has_more_handshakes || HasInput() || wake_at <= now.boot) {
    WaitForEvents(Duration(0));
    return;
  }
  // Said first, then looked again: what the others bring from here on, they wake for.
  is_asleep_.store(true);
  if (HasInput()) {
    wake_at = now.boot;
  }
  WaitForEvents(wake_at == Instant::Max() ? Duration::max() : wake_at - now.boot);
  is_asleep_.store(false);
}

void Shard::WaitForEvents(Duration timeout) {
  for (const epoll_event& event : poller_.Wait(timeout)) {
    const std::uint32_t tag = event.data.u32;
    if (tag == kMailboxTag) {
      has_mail_ = true;
    } else if (tag == kTunTag) {
      is_tun_readable_ = true;
      const bool is_deleted = (event.events & EPOLLERR) != 0;
      is_interface_gone_ = is_interface_gone_ || (is_deleted && ends_with_interface_);
    } else {
      const std::size_t index = tag - kUdpTag;
      is_udp_readable_[index] = (event.events & ~std::uint32_t{EPOLLOUT}) != 0;
      if ((event.events & EPOLLOUT) != 0) {
        queue_.HandleWritable(io::kFamilies[index]);
      }
    }
  }
}

void Shard::Publish(Instant now) {
  next_publish_ = now + kPublishInterval;
  ShardCounters counters{.engine = engine_.counters(),
                         .gso = queue_.counters(),
                         .tun_reader = tun_reader_.counters(),
                         .tun_writer = tun_writer_.counters(),
                         .udp_receiver = udp_receiver_.counters(),
                         .turns = turns_};
  const auto add = [&](packet::DropReason reason, std::uint64_t count) {
    counters.engine.drops[static_cast<std::size_t>(reason)] += count;
  };
  add(packet::DropReason::kBadVirtioHeader, counters.tun_reader.bad_virtio_headers);
  add(packet::DropReason::kTunWriteFailed, counters.tun_writer.packets_lost);
  add(packet::DropReason::kTruncated, counters.udp_receiver.truncated);
  add(packet::DropReason::kControlLaneFull, counters.gso.control_evicted);
  add(packet::DropReason::kUnderlayStuck, counters.gso.underlay_stuck);
  add(packet::DropReason::kSendRefused, counters.gso.refused_datagrams);
  published_.Write(counters);
  for (const IpFamily family : io::kFamilies) {
    last_data_[io::IndexOf(family)].store(engine_.last_data(family).since_boot().count(),
                                          std::memory_order_relaxed);
  }
}

void Shard::FlushAtEnd() {
  const Instant limit = clock_.Read().boot + kFlushLimit;
  for (Now now = clock_.Read(); now.boot < limit; now = clock_.Read()) {
    Drain(now);
    if (queue_.IsEmpty()) {
      return;
    }
    WaitForEvents(kFlushStep);
  }
}

}  // namespace adit::shard
