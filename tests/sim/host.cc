#include "tests/sim/host.h"

#include "dataplane/crypto/x25519.h"

namespace adit::sim {
namespace {

constexpr WallTime kWorldBegan{seconds(1'700'000'000)};
constexpr std::size_t kArenaSlots = 512;
constexpr std::size_t kHandshakeQueue = 64;
constexpr std::size_t kFlows = 512;
constexpr std::uint32_t kMtu = 1420;
constexpr Duration kSaveInterval = seconds(1);

}  // namespace

packet::Reservation Host::Output::ReserveTrain(const packet::TrainRequest& request,
                                               const packet::DatagramPath& path,
                                               packet::SendClass send_class) {
  reserved = queue.ReserveTrain(request, path, send_class);
  segment_size = request.segment_size;
  return reserved;
}

void Host::Output::Commit() {
  for (std::size_t at = 0; at < reserved.bytes.size(); at += segment_size) {
    const std::size_t size = std::min<std::size_t>(segment_size, reserved.bytes.size() - at);
    host.services_.watch.OnSealed(host.number_, reserved.bytes.subspan(at, size));
  }
  queue.Commit();
}

bool Host::Output::SendControl(ByteSpan datagram, const packet::DatagramPath& path,
                               packet::ControlKind kind) {
  host.services_.watch.OnControl(host.number_, datagram);
  return queue.SendControl(datagram, path, kind);
}

std::uint32_t Host::Output::Discard(std::uint32_t peer) {
  const std::uint32_t count = queue.Discard(peer);
  discarded += count;
  return count;
}

Host::Host(const Services& services, std::size_t number, std::uint64_t seed)
    : services_(services),
      number_(number),
      machine_random_(seed),
      boot_offset_(seconds(static_cast<int>(machine_random_.Below(1'000'000)))) {
  versions_.push_back(std::make_shared<Configuration>());
}

Now Host::now() const {
  const Instant world = services_.scheduler.now();
  return {world + boot_offset_, kWorldBegan + world.since_boot() + wall_offset_};
}

bool Host::CanRun() const {
  return engine_ != nullptr && services_.scheduler.now() >= asleep_until_;
}

void Host::Suspend(Duration duration) {
  asleep_until_ = services_.scheduler.now() + duration;
  services_.scheduler.At(asleep_until_, [this] { Turn(); });
}

void Host::Choke(Duration duration, int error) {
  choked_until_ = services_.scheduler.now() + duration;
  choke_error_ = error;
  services_.scheduler.At(choked_until_, [this] { Turn(); });
}

void Host::SetLinkUp(bool is_up) {
  is_link_up_ = is_up;
  if (engine_ != nullptr) {
    engine_->SetLinkUp(is_up, now());
    WakeAt(services_.scheduler.now());
  }
}

void Host::SetPrivateKey(const std::array<std::uint8_t, 32>& key) {
  private_key_ = key;
  std::array<std::uint8_t, 32> clamped = key;
  crypto::ClampPrivateKey(clamped);
  public_key_ = crypto::DerivePublicKey(clamped);
  if (engine_ != nullptr) {
    (void)engine_->SetPrivateKey(private_key_, now());
    WakeAt(services_.scheduler.now());
  }
}

void Host::Start(bool with_stale_disk) {
  ++incarnation_;
  const Disk::Contents read = disk_.Load(with_stale_disk, now());
  random_ = std::make_unique<testing::SeededRandom>(machine_random_.Next64());
  arena_ = *crypto::SecretArena::Make(kArenaSlots);
  output_ = std::make_unique<Output>(*this);
  shared_ = std::make_unique<engine::Shared>(*random_);
  engine_ = std::make_unique<engine::Engine>(
      engine::EngineContext{*output_, *this, services_.aead, *arena_, *random_, *shared_},
      engine::EngineOptions{.handshake_queue_capacity = kHandshakeQueue,
                            .enforce_access = configuration().enforces_access,
                            .flow_capacity = kFlows,
                            .mtu = kMtu});
  (void)engine_->SetPrivateKey(private_key_, now());
  engine_->RestoreTimestampMark(read.mark);
  (void)engine_->Apply(configuration().Snapshot(), now());
  engine_->Restore(read.peers);
  engine_->SetLinkUp(is_link_up_, now());
  is_writable_awaited_ = false;
  wake_at_ = Instant::Max();
  Turn();
}

void Host::Kill() {
  services_.watch.OnEnd(number_);
  engine_.reset();
  output_.reset();
  shared_.reset();
  arena_.reset();
  tun_backlog_.clear();
}

engine::Counters Host::CountersAtEnd() {
  engine::Engine& engine = *engine_;
  while (engine.ServeHandshakes(now())) {
  }
  is_sending_into_nothing_ = true;
  output_->queue.HandleWritable(IpFamily::kV4);
  output_->queue.HandleSocketReplaced(IpFamily::kV4);
  (void)output_->queue.Drain(*this, now().boot);
  is_sending_into_nothing_ = false;
  engine.RemoveAllPeers();
  return engine.counters();
}

void Host::Configure(Configuration configuration, const engine::Update& update) {
  versions_.push_back(std::make_shared<Configuration>(std::move(configuration)));
  if (engine_ != nullptr) {
    (void)engine_->Apply(update, now());
    WakeAt(services_.scheduler.now());
  }
}

void Host::ReadTun(TunPacket packet) {
  if (engine_ == nullptr || tun_backlog_.size() >= kTunBacklog) {
    return;
  }
  tun_backlog_.push_back(std::move(packet));
  if (CanRun()) {
    Turn();
  }
}

void Host::Receive(const Datagram& datagram) {
  if (!CanRun()) {
    return;
  }
  const engine::Counters before = engine_->counters();
  received_ = datagram.bytes;
  receiving_ = &datagram;
  services_.watch.OnReceiving(number_, datagram);
  const Endpoint& own = services_.network.EndpointOf(number_);
  engine_->HandleUdpTrain(
      {received_, received_.size(), datagram.from, {own.address, 1}, datagram.ecn}, now());
  while (engine_->ServeHandshakes(now())) {
  }
  receiving_ = nullptr;
  services_.watch.OnReceived(number_, datagram, before, engine_->counters());
  Turn();
}

// As shard::Shard::Run.
void Host::Turn() {
  if (!CanRun()) {
    return;
  }
  const Now at = now();
  if (is_writable_awaited_ && services_.scheduler.now() >= choked_until_) {
    output_->queue.HandleWritable(IpFamily::kV4);
  }
  while (!tun_backlog_.empty() && output_->queue.HasRoomForSuperPacket()) {
    TunPacket read = std::move(tun_backlog_.front());
    tun_backlog_.pop_front();
    services_.watch.OnRead(number_, read.first_number, read.count);
    engine_->HandleTunPacket({read.bytes, read.offload}, at);
  }
  if (engine_->PollTimeout() <= at.boot) {
    engine_->HandleTimeout(at);
  }
  engine_->FlushPending(at);
  const io::DrainReport& report = output_->queue.Drain(*this, at.boot);
  is_writable_awaited_ = report.await_writable[0];
  for (const io::ForgottenSource& forgotten : report.forgotten_sources) {
    forgotten.peer == io::ForgottenSource::kNoPeer
        ? engine_->ForgetSources()
        : engine_->ForgetSource(forgotten.peer, forgotten.source.address);
  }
  if (output_->queue.IsStuckCheckDue(at.boot)) {
    // One family only: there is no other that its uplink keeps waiting.
    output_->queue.GiveUpIfStuck({.tun_is_readable = !tun_backlog_.empty()}, at.boot);
  }
  const Instant next = std::min(engine_->PollTimeout(), output_->queue.PollTimeout());
  if (next != Instant::Max()) {
    WakeAt(next - boot_offset_);
  }
  if (!is_save_due_) {
    is_save_due_ = true;
    services_.scheduler.After(kSaveInterval, [this] { Save(); });
  }
}

// One event at a time: an earlier one than the armed makes that one idle.
void Host::WakeAt(Instant when) {
  when = std::max(when, services_.scheduler.now());
  if (when >= wake_at_) {
    return;
  }
  wake_at_ = when;
  services_.scheduler.At(when, [this, when, incarnation = incarnation_] {
    if (incarnation == incarnation_ && when == wake_at_) {
      wake_at_ = Instant::Max();
      Turn();
    }
  });
}

void Host::Save() {
  is_save_due_ = false;
  if (!CanRun()) {
    return;
  }
  std::vector<engine::PeerReport> reports;
  (void)engine_->AppendReports(0, UINT32_MAX, reports, engine::ReportDetail::kActivity);
  disk_.Save(reports, engine_->greatest_timestamp(), now());
  services_.watch.OnSaved(number_, reports);
}

void Host::Deliver(MutableByteSpan packet, std::uint32_t) {
  services_.watch.OnDelivered(number_, packet, receiving_);
}

io::SendResult Host::Send(const io::SendBatch& batch) {
  if (is_sending_into_nothing_) {
    return {batch.count, 0};
  }
  if (services_.scheduler.now() < choked_until_) {
    return {0, choke_error_};
  }
  for (std::uint32_t i = 0; i < batch.count; ++i) {
    const ByteSpan rest = batch.bytes.subspan(std::size_t{i} * batch.segment_size);
    const ByteSpan bytes = rest.first(std::min<std::size_t>(rest.size(), batch.segment_size));
    Datagram datagram;
    datagram.bytes.assign(bytes.begin(), bytes.end());
    datagram.to = batch.path.remote;
    datagram.ecn = batch.path.tos & 3;
    datagram.sender = number_;
    datagram.sender_version = current_version();
    services_.network.Send(std::move(datagram));
  }
  return {batch.count, 0};
}

}  // namespace adit::sim
