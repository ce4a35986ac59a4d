// The bars of the channel: a snapshot of 10,000 peers with 40,000 prefixes is applied in less than
// 2 s, a delta to one of them acknowledged in less than 5 ms; with a real stream and real files.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "dataplane/rpc/sync_client.h"
#include "tests/dataplane/rpc/fake_hub.h"
#include "tests/dataplane/rpc/objects.h"
#include "tests/dataplane/state/temp_directory.h"
#include "tests/support/engine_host.h"

namespace adit::rpc {
namespace {

using testing::FakeHub;
using testing::Grant;
using testing::HubView;
using testing::Peer;
using testing::Resource;

constexpr int kPeers = 10'000;

// A real engine, called where it stands.
class EngineEnforcer final : public Enforcer {
 public:
  std::optional<Problem> CheckInterface(const InterfaceObject&) override { return std::nullopt; }
  void ApplyHost(const HostConfig&) override {}
  bool Apply(const engine::Update& update) override {
    const std::lock_guard lock(mutex_);
    return host_.engine->Apply(update, clock_.Read());
  }
  void Restore(const std::vector<engine::PeerMemory>&, WallTime) override {}
  void AppendReports(std::vector<engine::PeerReport>& out) override {
    const std::lock_guard lock(mutex_);
    std::uint32_t next = 0;
    do {
      next = host_.engine->AppendReports(next, 256, out);
    } while (next != 0);
  }
  engine::Counters Counters() override {
    const std::lock_guard lock(mutex_);
    return host_.engine->counters();
  }
  WallTime GreatestTimestamp() override {
    const std::lock_guard lock(mutex_);
    return host_.engine->greatest_timestamp();
  }
  [[nodiscard]] std::size_t peer_count() const { return host_.engine->peer_count(); }

 private:
  std::mutex mutex_;
  const SystemClock clock_;
  adit::testing::EngineHost host_{1, "203.0.113.2:51820", true};
};

std::vector<std::string> PrefixesOf(int peer, int variant) {
  std::vector<std::string> prefixes;
  for (int i = 0; i < 4; ++i) {
    const int number = peer * 4 + i + variant * kPeers * 4;
    prefixes.push_back(
        fmt::format("100.{}.{}.{}/32", 64 + number / 65536, number / 256 % 256, number % 256));
  }
  return prefixes;
}

double MillisecondsSince(std::chrono::steady_clock::time_point began) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began)
      .count();
}

TEST(Speed, TenThousandPeersInTwoSecondsAndADeltaInFiveMilliseconds) {
  const state::TempDirectory sockets;
  const state::TempDirectory state_path;
  const SystemClock clock;
  SyncOptions options;
  options.channel = "unix:" + sockets.path() + "/d/dataplane.sock";
  options.controlplane_uids = {getuid()};
  options.limits = testing::TestLimits();
  FakeHub hub(options.channel);
  EngineEnforcer enforcer;
  const auto directory = state::StateDirectory::Open(state_path.path()).value();
  auto client = SyncClient::Restore(directory, options, enforcer, clock).value();
  client->Start();
  (void)hub.NextHello();

  HubView view;
  view.Put(Resource("wiki", {"10.0.0.0/24"}));
  for (int i = 0; i < kPeers; ++i) {
    view.Put(Peer(i, PrefixesOf(i, 0)));
    view.Put(Grant(i, "wiki"));
  }
  std::vector<testing::pb::Snapshot> chunks;
  const testing::pb::Snapshot whole = testing::SnapshotOf(view, 1);
  for (int i = 0; i < whole.objects_size(); ++i) {
    if (i % 500 == 0) {
      chunks.push_back(whole);
      chunks.back().clear_objects();
      chunks.back().set_chunk(static_cast<std::uint32_t>(chunks.size() - 1));
    }
    *chunks.back().add_objects() = whole.objects(i);
  }
  auto began = std::chrono::steady_clock::now();
  for (testing::pb::Snapshot& chunk : chunks) {
    chunk.set_chunk_count(static_cast<std::uint32_t>(chunks.size()));
    ASSERT_TRUE(hub.Send(chunk));
  }
  ASSERT_EQ(hub.NextAck().revision(), 1U);
  const double snapshot = MillisecondsSince(began);

  EXPECT_EQ(enforcer.peer_count(), static_cast<std::size_t>(kPeers));

  std::vector<double> deltas;
  for (std::uint64_t i = 0; i < 100; ++i) {
    const testing::pb::Delta delta =
        testing::DeltaOf(view, 1 + i, 2 + i, {}, {Peer(5'000, PrefixesOf(5'000, i % 2 ? 0 : 1))});
    began = std::chrono::steady_clock::now();
    ASSERT_TRUE(hub.Send(delta));
    ASSERT_EQ(hub.NextAck().revision(), 2 + i);
    deltas.push_back(MillisecondsSince(began));
  }
  std::sort(deltas.begin(), deltas.end());
  std::printf("snapshot of %d peers: %.0f ms; delta: median %.2f ms, greatest %.2f ms\n", kPeers,
              snapshot, deltas[50], deltas.back());
  EXPECT_LT(snapshot, 2'000);
  EXPECT_LT(deltas[50], 5);
}

}  // namespace
}  // namespace adit::rpc
