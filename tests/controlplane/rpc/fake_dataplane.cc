#include "fake_dataplane.h"

#include <unistd.h>

#include <chrono>
#include <utility>

#include "common/bytes.h"
#include "common/channel/unix_dialler.h"

namespace adit::hub {
namespace {

namespace pb = ::adit::dataplane::v1;

void Put(FakeDataplane::View& view, int kind, const std::string& key, const std::string& body) {
  const auto [entry, is_new] = view.objects.try_emplace({kind, key}, body);
  if (!is_new) {
    view.digest.Remove(static_cast<std::uint32_t>(kind), AsBytes(key), AsBytes(entry->second));
    entry->second = body;
  }
  view.digest.Add(static_cast<std::uint32_t>(kind), AsBytes(key), AsBytes(body));
}

void Erase(FakeDataplane::View& view, int kind, const std::string& key) {
  const auto found = view.objects.find({kind, key});
  if (found != view.objects.end()) {
    view.digest.Remove(static_cast<std::uint32_t>(kind), AsBytes(key), AsBytes(found->second));
    view.objects.erase(found);
  }
}

}  // namespace

FakeDataplane::FakeDataplane(const std::string& address) {
  const uid_t servers[] = {geteuid()};
  auto channel = channel::DialUnix(address, servers);
  channel_ = channel.value();
  stub_ = pb::DataplaneControl::NewStub(channel_);
  stream_ = stub_->Sync(&context_);
  thread_ = std::thread([this] { ReadLoop(); });
}

FakeDataplane::~FakeDataplane() {
  context_.TryCancel();
  thread_.join();
}

void FakeDataplane::Send(const pb::FromDataplane& message) {
  const MutexLock lock(write_mutex_);
  stream_->Write(message);
}

void FakeDataplane::SayHello(const Identity& identity, View view) {
  pb::FromDataplane message;
  pb::Hello* hello = message.mutable_hello();
  hello->set_node_name(identity.node);
  hello->set_build("fake 1");
  hello->set_protocol_min(identity.protocol_min);
  hello->set_protocol_max(identity.protocol_max);
  hello->set_public_key(identity.public_key);
  hello->add_listen_ports(51820);
  if (!identity.advertise.empty()) {
    hello->set_advertise(identity.advertise);
  }
  hello->set_store_epoch(view.epoch);
  hello->set_applied_revision(view.revision);
  hello->set_digest(view.digest.bytes());
  hello->set_mtu(1280);
  {
    const MutexLock lock(mutex_);
    seen_.view = std::move(view);
  }
  Send(message);
}

void FakeDataplane::RefuseObjects(Judge judge) {
  const MutexLock lock(mutex_);
  judge_ = std::move(judge);
}

void FakeDataplane::FallSilent() {
  const MutexLock lock(mutex_);
  is_silent_ = true;
}

void FakeDataplane::LoseState() {
  const MutexLock lock(mutex_);
  has_lost_state_ = true;
}

FakeDataplane::Seen FakeDataplane::seen() {
  const MutexLock lock(mutex_);
  return seen_;
}

bool FakeDataplane::WaitUntil(const std::function<bool(const Seen&)>& predicate) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  const MutexLock lock(mutex_);
  while (!predicate(seen_)) {
    const auto left = end - std::chrono::steady_clock::now();
    if (left <= left.zero() || !changed_.WaitFor(mutex_, left)) {
      return predicate(seen_);
    }
  }
  return true;
}

void FakeDataplane::ReadLoop() {
  pb::FromControlplane message;
  while (stream_->Read(&message)) {
    Handle(message);
    changed_.NotifyAll();
  }
  grpc::Status end = stream_->Finish();
  const MutexLock lock(mutex_);
  seen_.is_over = true;
  seen_.end = std::move(end);
  changed_.NotifyAll();
}

void FakeDataplane::Handle(const pb::FromControlplane& message) {
  bool is_silent = false;
  {
    const MutexLock lock(mutex_);
    is_silent = is_silent_;
    if (message.has_hello_refused()) {
      seen_.refused = message.hello_refused().reason();
      seen_.refusal_text = message.hello_refused().text();
    } else if (message.has_access_denied()) {
      ++seen_.access_denied;
    } else if (message.has_ping()) {
      ++seen_.pings;
      if (message.ping().has_stats_interval_seconds()) {
        seen_.stats_interval = message.ping().stats_interval_seconds();
      }
    }
  }
  if (is_silent) {
    return;
  }
  if (message.has_ping()) {
    pb::FromDataplane pong;
    pong.mutable_pong()->set_nonce(message.ping().nonce());
    Send(pong);
  } else if (message.has_snapshot()) {
    HandleSnapshot(message.snapshot());
  } else if (message.has_delta()) {
    HandleDelta(message.delta());
  }
}

bool FakeDataplane::Refuses(const std::vector<const pb::Object*>& objects, std::uint64_t nonce,
                            std::uint64_t revision) {
  pb::FromDataplane message;
  pb::Nack* nack = message.mutable_nack();
  nack->set_nonce(nonce);
  nack->set_revision(revision);
  {
    const MutexLock lock(mutex_);
    for (const pb::Object* object : objects) {
      if (auto rejection = judge_ ? judge_(*object) : std::nullopt) {
        *nack->add_rejections() = std::move(*rejection);
      }
    }
  }
  if (nack->rejections_size() == 0) {
    return false;
  }
  Send(message);
  return true;
}

void FakeDataplane::AskForSnapshot(std::uint64_t nonce, std::uint64_t revision) {
  pb::FromDataplane message;
  message.mutable_nack()->set_nonce(nonce);
  message.mutable_nack()->set_revision(revision);
  message.mutable_nack()->set_needs_snapshot(true);
  Send(message);
}

void FakeDataplane::Acknowledge(std::uint64_t nonce, std::uint64_t revision,
                                const std::string& digest) {
  pb::FromDataplane message;
  message.mutable_ack()->set_nonce(nonce);
  message.mutable_ack()->set_revision(revision);
  message.mutable_ack()->set_digest(digest);
  Send(message);
}

void FakeDataplane::HandleSnapshot(const pb::Snapshot& chunk) {
  if (chunk.chunk() == 0) {
    chunks_.clear();
  }
  chunks_.push_back(chunk);
  if (chunk.chunk() + 1 < chunk.chunk_count()) {
    return;
  }
  {
    const MutexLock lock(mutex_);
    ++seen_.snapshots;
    has_lost_state_ = false;
  }
  View view{chunk.epoch(), chunk.revision(), {}, {}};
  std::vector<const pb::Object*> objects;
  for (const pb::Snapshot& part : chunks_) {
    for (const pb::Object& object : part.objects()) {
      objects.push_back(&object);
      Put(view, object.kind(), object.key(), object.body());
    }
  }
  if (Refuses(objects, chunk.nonce(), chunk.revision())) {
    return;
  }
  const std::string digest = view.digest.bytes();
  {
    const MutexLock lock(mutex_);
    seen_.bad_digests += digest == chunk.digest() ? 0 : 1;
    seen_.view = std::move(view);
  }
  Acknowledge(chunk.nonce(), chunk.revision(), digest);
}

void FakeDataplane::HandleDelta(const pb::Delta& delta) {
  bool follows = false;
  {
    const MutexLock lock(mutex_);
    ++seen_.deltas;
    follows = !has_lost_state_ && seen_.view.epoch == delta.epoch() &&
              seen_.view.revision == delta.from();
  }
  if (!follows) {
    AskForSnapshot(delta.nonce(), delta.to());
    return;
  }
  std::vector<const pb::Object*> objects;
  for (const pb::Object& object : delta.upserts()) {
    objects.push_back(&object);
  }
  if (Refuses(objects, delta.nonce(), delta.to())) {
    return;
  }
  std::string digest;
  {
    const MutexLock lock(mutex_);
    View& view = seen_.view;
    for (const pb::ObjectKey& key : delta.removals()) {
      Erase(view, key.kind(), key.key());
    }
    for (const pb::Object& object : delta.upserts()) {
      Put(view, object.kind(), object.key(), object.body());
    }
    view.revision = delta.to();
    digest = view.digest.bytes();
    seen_.bad_digests += digest == delta.digest() ? 0 : 1;
  }
  Acknowledge(delta.nonce(), delta.to(), digest);
}

}  // namespace adit::hub
