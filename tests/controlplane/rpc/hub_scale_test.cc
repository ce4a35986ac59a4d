// A network of 10,000 peers and 40,000 prefixes, through the hub and its channel.
#include <algorithm>
#include <chrono>
#include <iostream>

#include <fmt/format.h>

#include "hub_fixture.h"

namespace adit::hub {
namespace {

using Milliseconds = std::chrono::duration<double, std::milli>;

constexpr int kPeers = 10'000;
constexpr int kResources = 100;
constexpr int kCidrsEach = 200;  // and two addresses a peer: 40,000 prefixes

class HubScaleTest : public HubFixture {
 protected:
  // One change that holds them all, as a restored backup would.
  void FillStore() {
    auto store = store::SqliteStore::Open(directory_ + "/adit.db", random_).value();
    auto state = model::State::Create(model::Network(), store->Load().value()).value();
    model::Change change =
        model::RegisterNode(state,
                            {"gw", std::string(32, '\x11'), "203.0.113.2:51820", 51820, 1280},
                            clock_.Read().wall)
            .value();
    ASSERT_TRUE(store->Commit(change).ok());
    state.Apply(change);
    change = model::Change();
    change.revision = state.revision() + 1;
    for (int i = 0; i < kPeers; ++i) {
      const std::string hex = fmt::format("{:04x}", i + 16);
      model::Peer& peer = change.peers.upserts.emplace_back();
      peer.name = fmt::format("p{}", i);
      std::array<std::uint8_t, 32> key{};
      random_.Fill(key);
      peer.public_key = PublicKey(key);
      peer.node = "gw";
      peer.addresses.v4 =
          IpAddress::Parse(fmt::format("100.64.{}.{}", (i + 16) / 256, (i + 16) % 256)).value();
      peer.addresses.v6 = IpAddress::Parse("fd00:2021:1111::" + hex).value();
      peer.revision = change.revision;
    }
    for (int i = 0; i < kResources; ++i) {
      model::Resource& resource = change.resources.upserts.emplace_back();
      resource.name = fmt::format("r{}", i);
      resource.node = "gw";
      for (int j = 0; j < kCidrsEach; ++j) {
        resource.cidrs.push_back(IpPrefix::Parse(fmt::format("10.{}.{}.0/24", i, j)).value());
      }
      resource.allow_all = true;
      resource.revision = resource.destinations_revision = change.revision;
    }
    ASSERT_TRUE(store->Commit(change).ok());
  }
};

TEST_F(HubScaleTest, ASnapshotIsSettledAndADeltaAcknowledgedInTime) {
  FillStore();
  StartHub();
  FakeDataplane dataplane(dataplane_address());
  const auto began = std::chrono::steady_clock::now();
  dataplane.SayHello({});
  ASSERT_TRUE(NodeBecomes(
      "gw", [](const auto& node) { return node.applied_revision() == node.current_revision(); }));
  const Milliseconds snapshot = std::chrono::steady_clock::now() - began;
  EXPECT_TRUE(dataplane.WaitUntil(
      [](const auto& seen) { return seen.view.objects.size() == 1 + kPeers + kResources; }));

  std::vector<double> deltas;
  for (int i = 0; i < 100; ++i) {
    admin::v1::UpdatePeerRequest request;
    request.mutable_peer()->set_name("p5000");
    request.mutable_peer()->set_endpoint(fmt::format("192.0.2.1:{}", 1000 + i));
    admin::v1::PeerMutation response;
    const auto start = std::chrono::steady_clock::now();
    ASSERT_TRUE(Call(peers_, &admin::v1::PeerService::Stub::UpdatePeer, request, &response).ok());
    deltas.push_back(Milliseconds(std::chrono::steady_clock::now() - start).count());
    ASSERT_EQ(response.result().nodes(0).state(), admin::v1::NodeOutcome::ACKED);
  }
  std::sort(deltas.begin(), deltas.end());
  std::cout << fmt::format(
      "snapshot of {} peers and {} prefixes settled in {:.0f} ms; update call to one of them, "
      "stored and acknowledged: median {:.2f} ms, p90 {:.2f} ms\n",
      kPeers, 2 * kPeers + kResources * kCidrsEach, snapshot.count(), deltas[50], deltas[90]);
  EXPECT_EQ(dataplane.seen().bad_digests, 0);
  EXPECT_EQ(dataplane.seen().snapshots, 1);
#ifdef NDEBUG  // not with sanitizers
  EXPECT_LT(snapshot.count(), 2000);
  EXPECT_LT(deltas[50], 5);
#endif
}

}  // namespace
}  // namespace adit::hub
