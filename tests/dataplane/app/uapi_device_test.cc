#include "dataplane/app/uapi_device.h"

#include <cerrno>

#include <gtest/gtest.h>

#include "tests/dataplane/shard/shard_host.h"

namespace adit::app {
namespace {

PublicKey KeyOf(std::uint32_t number) {
  std::array<std::uint8_t, kKeySize> bytes{};
  StoreLe32(bytes.data(), number + 1);
  return PublicKey(bytes);
}

engine::PeerPatch PeerOf(std::uint32_t number) {
  engine::PeerPatch peer;
  peer.public_key = KeyOf(number);
  peer.persistent_keepalive = static_cast<std::uint16_t>(number);
  return peer;
}

class UapiDeviceTest : public ::testing::Test {
 protected:
  UapiDeviceTest() { host_.Start(); }

  [[nodiscard]] std::size_t PeerCount() { return device_.Report()->peers.size(); }

  shard::ShardHost host_{1};
  UapiDevice device_{host_.group()};
};

TEST_F(UapiDeviceTest, ReportsKeysPortAndEveryPeerHoweverMany) {
  uapi::SetRequest set;
  constexpr std::uint32_t kPeers = 2 * UapiDevice::kPeersPerTask + 7;
  for (std::uint32_t i = 0; i < kPeers; ++i) {
    set.peers.push_back(PeerOf(i));
  }
  ASSERT_TRUE(device_.Apply(set).ok());
  const auto report = device_.Report();
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->private_key.has_value());
  EXPECT_EQ(report->public_key, host_.public_key());
  EXPECT_EQ(report->listen_port, host_->listen_port());
  ASSERT_EQ(report->peers.size(), kPeers);
  for (std::uint32_t i = 0; i < kPeers; ++i) {
    EXPECT_EQ(report->peers[i].public_key, KeyOf(i));
    EXPECT_EQ(report->peers[i].persistent_keepalive, i);
  }
}

TEST_F(UapiDeviceTest, ReplacesPeersAndUpdatesOnlyThoseThatAreThere) {
  uapi::SetRequest set;
  set.peers = {PeerOf(1), PeerOf(2)};
  ASSERT_TRUE(device_.Apply(set).ok());
  uapi::SetRequest replace;
  replace.replace_peers = true;
  replace.peers = {PeerOf(3), PeerOf(4)};
  replace.peers[1].update_only = true;
  ASSERT_TRUE(device_.Apply(replace).ok());
  const auto report = device_.Report();
  ASSERT_EQ(report->peers.size(), 1U);
  EXPECT_EQ(report->peers[0].public_key, KeyOf(3));
}

TEST_F(UapiDeviceTest, ChangesNothingWhenThePortIsBusy) {
  shard::ShardHost other(2);
  uapi::SetRequest set;
  set.listen_port = other->listen_port();
  set.private_key.emplace();
  set.peers = {PeerOf(1)};
  const std::uint16_t before = host_->listen_port();
  EXPECT_EQ(ErrnoOf(device_.Apply(set)), EADDRINUSE);
  const auto report = device_.Report();
  EXPECT_EQ(report->listen_port, before);
  EXPECT_TRUE(report->peers.empty());
  EXPECT_EQ(report->public_key, host_.public_key());
}

TEST_F(UapiDeviceTest, RemovesThePrivateKey) {
  uapi::SetRequest set;
  set.private_key.emplace();
  ASSERT_TRUE(device_.Apply(set).ok());
  const auto report = device_.Report();
  EXPECT_FALSE(report->private_key.has_value());
  EXPECT_TRUE(report->public_key.is_zero());
}

TEST_F(UapiDeviceTest, SaysThatKeyMemoryIsFull) {
  uapi::SetRequest set;
  for (std::uint32_t i = 0; i < 5000; ++i) {  // the arena has room for fewer
    set.peers.push_back(PeerOf(i));
    set.peers.back().preshared_key.emplace();
    set.peers.back().preshared_key->mutable_bytes()[0] = 1;
  }
  EXPECT_EQ(ErrnoOf(device_.Apply(set)), ENOMEM);
}

TEST_F(UapiDeviceTest, SaysThatItIsStopping) {
  host_->Stop();
  EXPECT_EQ(ErrnoOf(device_.Report().status()), ENODEV);
  EXPECT_EQ(ErrnoOf(device_.Apply({})), ENODEV);
}

}  // namespace
}  // namespace adit::app
