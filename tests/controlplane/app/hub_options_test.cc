#include "controlplane/app/hub_options.h"

#include <unistd.h>

#include <gmock/gmock.h>

#include "common/status.h"

namespace adit::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class HubOptionsTest : public ::testing::Test {
 protected:
  HubOptionsTest() { Declare(parser_, flags_); }
  absl::Status Parse(const std::vector<std::string>& arguments) {
    return parser_.Parse(arguments, [](const char*) -> const char* { return nullptr; }).status();
  }

  HubFlags flags_;
  config::Parser parser_{"adit-controlplane", "test"};
};

TEST_F(HubOptionsTest, DefaultsAreTheContracts) {
  ASSERT_TRUE(Parse({"--dataplane-user", "64061"}).ok());
  EXPECT_EQ(SqlitePathOf(flags_).value(), "/var/lib/adit/controlplane/adit.db");
  const auto sockets = SocketsOf(flags_);
  ASSERT_TRUE(sockets.ok()) << sockets.status();
  EXPECT_EQ(sockets->admin_address, "unix:/run/adit/admin.sock");
  EXPECT_EQ(sockets->dataplane_address, "unix:/run/adit/dataplane.sock");
  EXPECT_THAT(sockets->admin_uids, ElementsAre(0U, geteuid()));
  EXPECT_THAT(sockets->dataplane_uids, ElementsAre(64061U));
  const auto network = NetworkOf(flags_);
  ASSERT_TRUE(network.ok()) << network.status();
  EXPECT_EQ(network->v4.ToString(), "100.64.0.0/11");
  EXPECT_EQ(network->v6.ToString(), "fd00:2021:1111::/107");
}

TEST_F(HubOptionsTest, UsersMayBeSeveral) {
  ASSERT_TRUE(
      Parse({"--dataplane-user", "64061", "--dataplane-user", "64071", "--admin-user", "root"})
          .ok());
  const auto sockets = SocketsOf(flags_);
  ASSERT_TRUE(sockets.ok()) << sockets.status();
  EXPECT_THAT(sockets->dataplane_uids, ElementsAre(64061U, 64071U));
  EXPECT_THAT(sockets->admin_uids, ElementsAre(0U));
}

TEST_F(HubOptionsTest, AnUnknownUserNamesTheFlag) {
  ASSERT_TRUE(Parse({"--dataplane-user", "nobody-of-that-name"}).ok());
  EXPECT_THAT(MessageOf(SocketsOf(flags_).status()), HasSubstr("--dataplane-user"));
}

TEST_F(HubOptionsTest, TheTwoSocketsAreNotOne) {
  ASSERT_TRUE(
      Parse({"--dataplane-user", "1", "--admin-listen", "unix:/a", "--dataplane-listen", "unix:/a"})
          .ok());
  EXPECT_THAT(MessageOf(SocketsOf(flags_).status()), HasSubstr("--admin-listen"));
}

TEST_F(HubOptionsTest, WhatIsNotThereYetIsRefusedWithAText) {
  EXPECT_THAT(MessageOf(Parse({"--store", "postgresql://db/adit"})), HasSubstr("PostgreSQL"));
  EXPECT_THAT(MessageOf(Parse({"--admin-listen", "tcp:127.0.0.1:7000"})), HasSubstr("TCP"));
  EXPECT_THAT(MessageOf(Parse({"--join", "hub:7443"})), HasSubstr("--join"));
  EXPECT_THAT(MessageOf(Parse({"--node-listen", "tcp:0.0.0.0:7443"})), HasSubstr("--node-listen"));
  EXPECT_THAT(MessageOf(Parse({"--metrics-listen", "127.0.0.1:9464"})),
              HasSubstr("--metrics-listen"));
}

TEST_F(HubOptionsTest, ATunnelRangeIsOneAFamily) {
  ASSERT_TRUE(Parse({"--tunnel-range", "10.8.0.0/16"}).ok());
  auto network = NetworkOf(flags_);
  ASSERT_TRUE(network.ok()) << network.status();
  EXPECT_EQ(network->ranges().size(), 1U);
  ASSERT_TRUE(Parse({"--tunnel-range", "10.8.0.0/16", "--tunnel-range", "10.9.0.0/16"}).ok());
  EXPECT_THAT(MessageOf(NetworkOf(flags_).status()), HasSubstr("10.9.0.0/16"));
  ASSERT_TRUE(Parse({"--tunnel-range", "127.0.0.0/8"}).ok());
  EXPECT_THAT(MessageOf(NetworkOf(flags_).status()), HasSubstr("--tunnel-range"));
}

}  // namespace
}  // namespace adit::app
