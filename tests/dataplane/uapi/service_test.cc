#include "dataplane/uapi/service.h"

#include <cerrno>

#include <gtest/gtest.h>

#include "tests/dataplane/uapi/fake_device.h"

namespace adit::uapi {
namespace {

class ServiceTest : public ::testing::Test {
 protected:
  ServiceTest() {
    std::array<std::uint8_t, 32> key{};
    key.fill(0x11);
    device_.report.private_key = crypto::SymmetricKey(key);
    key.fill(0x22);
    device_.report.public_key = PublicKey(key);
    device_.report.listen_port = 51820;
    device_.report.firewall_mark = 7;
    engine::PeerReport peer;
    key.fill(0x33);
    peer.public_key = PublicKey(key);
    key.fill(0x44);
    peer.preshared_key = crypto::SymmetricKey(key);
    peer.has_preshared_key = true;
    peer.endpoint = Endpoint::Parse("[2001:db8::1]:3233");
    peer.persistent_keepalive = 25;
    peer.last_handshake = WallTime(seconds(1700000000) + Duration(5));
    peer.received_bytes = 1000;
    peer.sent_bytes = 18446744073709551615U;
    peer.allowed_ips = {*IpPrefix::Parse("10.0.0.0/8"), *IpPrefix::Parse("fd00::/64")};
    device_.report.peers.push_back(peer);
  }

  std::string Answer(const std::string& request, ServiceOptions options = {}, unsigned uid = 0) {
    RequestParser parser([](const std::string&) { return 0U; });
    (void)parser.Consume(request);
    Service service(device_, options);
    return std::string(service.Answer(parser, uid).view());
  }

  FakeDevice device_;
  const std::string peer_text_ =
      "protocol_version=1\nendpoint=[2001:db8::1]:3233\n"
      "last_handshake_time_sec=1700000000\nlast_handshake_time_nsec=5\n"
      "tx_bytes=18446744073709551615\nrx_bytes=1000\npersistent_keepalive_interval=25\n"
      "allowed_ip=10.0.0.0/8\nallowed_ip=fd00::/64\nerrno=0\n\n";
  const std::string private_line_ =
      "private_key=1111111111111111111111111111111111111111111111111111111111111111\n";
  const std::string own_line_ =
      "own_public_key=2222222222222222222222222222222222222222222222222222222222222222\n";
  const std::string public_line_ =
      "public_key=3333333333333333333333333333333333333333333333333333333333333333\n";
  const std::string preshared_line_ =
      "preshared_key=4444444444444444444444444444444444444444444444444444444444444444\n";
  const std::string device_lines_ = "listen_port=51820\nfwmark=7\n";
};

TEST_F(ServiceTest, GivesRootEverything) {
  EXPECT_EQ(Answer("get=1\n\n"),
            private_line_ + device_lines_ + public_line_ + preshared_line_ + peer_text_);
}

TEST_F(ServiceTest, GivesNoKeysToOthers) {
  EXPECT_EQ(Answer("get=1\n\n", {}, 1000), device_lines_ + public_line_ + peer_text_);
}

TEST_F(ServiceTest, HidesThePrivateKeyWhenAsked) {
  EXPECT_EQ(Answer("get=1\n\n", {.hides_private_key = true}),
            device_lines_ + public_line_ + preshared_line_ + peer_text_);
}

TEST_F(ServiceTest, ReadOnlyShowsTheOwnPublicKeyAndNoSecret) {
  EXPECT_EQ(Answer("get=1\n\n", {.is_read_only = true}),
            own_line_ + device_lines_ + public_line_ + peer_text_);
}

TEST_F(ServiceTest, ReadOnlyRefusesToSet) {
  EXPECT_EQ(Answer("set=1\nlisten_port=1\n\n", {.is_read_only = true}), "errno=-1\n\n");
  EXPECT_TRUE(device_.applied.empty());
}

TEST_F(ServiceTest, OmitsWhatIsNotSet) {
  device_.report = {};
  device_.report.peers.emplace_back();
  EXPECT_EQ(Answer("get=1\n\n"),
            "public_key=" + std::string(64, '0') + "\npreshared_key=" + std::string(64, '0') +
                "\nprotocol_version=1\nlast_handshake_time_sec=0\nlast_handshake_time_nsec=0\n"
                "tx_bytes=0\nrx_bytes=0\npersistent_keepalive_interval=0\nerrno=0\n\n");
}

TEST_F(ServiceTest, AppliesASet) {
  EXPECT_EQ(Answer("set=1\nlisten_port=1\n\n"), "errno=0\n\n");
  ASSERT_EQ(device_.applied.size(), 1U);
  EXPECT_EQ(device_.applied[0].listen_port, 1);
}

TEST_F(ServiceTest, AppliesNothingOfABadSet) {
  EXPECT_EQ(Answer("set=1\nlisten_port=1\nfwmark=x\n\n"), "errno=-22\n\n");
  EXPECT_TRUE(device_.applied.empty());
}

TEST_F(ServiceTest, AnswersWithTheErrnoOfTheDevice) {
  device_.apply_status = ErrnoStatus(EADDRINUSE, "bind");
  EXPECT_EQ(Answer("set=1\nlisten_port=1\n\n"), "errno=-98\n\n");
  device_.apply_status = Internal("no errno");
  EXPECT_EQ(Answer("set=1\nlisten_port=1\n\n"), "errno=-5\n\n");
  device_.report_status = ErrnoStatus(ENODEV, "stopping");
  EXPECT_EQ(Answer("get=1\n\n"), "errno=-19\n\n");
}

TEST(SecretText, GrowsAndMoves) {
  SecretText text;
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    const std::string part(static_cast<std::size_t>(i % 7), static_cast<char>('a' + i % 26));
    text.Append(part);
    expected += part;
  }
  EXPECT_EQ(text.view(), expected);
  SecretText moved(std::move(text));
  EXPECT_EQ(moved.view(), expected);
  EXPECT_TRUE(text.empty());  // NOLINT(bugprone-use-after-move): empty by contract
  moved.Clear();
  EXPECT_TRUE(moved.empty());
}

}  // namespace
}  // namespace adit::uapi
