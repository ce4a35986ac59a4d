#include "dataplane/app/run_options.h"

#include <unistd.h>

#include <cctype>
#include <map>

#include <gmock/gmock.h>

#include "common/status.h"
#include "tests/dataplane/state/temp_directory.h"

namespace adit::app {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Parses what it is given, and nothing of the real environment.
struct Given {
  explicit Given(const std::vector<std::string>& arguments,
                 const std::map<std::string, std::string>& environment = {}) {
    Declare(parser, flags);
    status = parser
                 .Parse(arguments,
                        [&](const char* name) {
                          const auto found = environment.find(name);
                          return found == environment.end() ? nullptr : found->second.c_str();
                        })
                 .status();
  }

  RunFlags flags;
  config::Parser parser{"adit-dataplane", "test"};
  absl::Status status;
};

TEST(RunOptions, DefaultsAreTheContracts) {
  const Given given({});
  ASSERT_TRUE(given.status.ok()) << given.status;
  EXPECT_EQ(config::FormatValue(given.flags.channel), "unix:/run/adit/dataplane.sock");
  EXPECT_EQ(given.flags.tun_name, "adit0");
  EXPECT_EQ(given.flags.mtu, 1280U);
  EXPECT_EQ(given.flags.listen_port, 51820);
  EXPECT_EQ(given.flags.state_dir, "/var/lib/adit/dataplane");
  EXPECT_EQ(given.flags.shards, 1U);
  EXPECT_TRUE(given.flags.is_host_setup_on);
  EXPECT_FALSE(given.flags.is_uapi_on);
  EXPECT_FALSE(given.flags.user.has_value());
  EXPECT_TRUE(given.flags.allow_route.empty());
}

TEST(RunOptions, EveryFlagReachesItsOption) {
  const Given given({"--channel",
                     "unix:/x/d.sock",
                     "--tun-name",
                     "t7",
                     "--mtu",
                     "1420",
                     "--listen-port",
                     "0",
                     "--node-name",
                     "gw",
                     "--advertise",
                     "vpn.example.org:51821",
                     "--shards",
                     "3",
                     "--state-dir",
                     "/x/state",
                     "--user",
                     "64061:64062",
                     "--controlplane-user",
                     "64062",
                     "--allow-route",
                     "10.1.0.0/16",
                     "--allow-route",
                     "fd00:1::/64",
                     "--host-setup",
                     "off",
                     "--aead",
                     "openssl",
                     "--udp-gso",
                     "off",
                     "--udp-gro",
                     "on",
                     "--tun-offload",
                     "off",
                     "--uapi",
                     "on",
                     "--log-level",
                     "debug",
                     "--stats-interval",
                     "1m"});
  ASSERT_TRUE(given.status.ok()) << given.status;
  const RunFlags& flags = given.flags;
  EXPECT_EQ(config::FormatValue(flags.channel), "unix:/x/d.sock");
  EXPECT_EQ(flags.tun_name, "t7");
  EXPECT_EQ(flags.mtu, 1420U);
  EXPECT_EQ(flags.listen_port, 0);
  EXPECT_EQ(NodeNameOf(flags).value(), "gw");
  EXPECT_EQ(config::FormatValue(flags.advertise.value()), "vpn.example.org:51821");
  EXPECT_EQ(flags.shards, 3U);
  EXPECT_EQ(flags.state_dir, "/x/state");
  EXPECT_THAT(flags.allow_route, ElementsAre(IpPrefix::Parse("10.1.0.0/16").value(),
                                             IpPrefix::Parse("fd00:1::/64").value()));
  EXPECT_FALSE(flags.is_host_setup_on);
  EXPECT_EQ(flags.aead, "openssl");
  EXPECT_EQ(SwitchOf(flags.offloads.udp_gso), io::OffloadSwitch::kOff);
  EXPECT_EQ(SwitchOf(flags.offloads.udp_gro), io::OffloadSwitch::kOn);
  EXPECT_EQ(SwitchOf(flags.offloads.tun_offload), io::OffloadSwitch::kOff);
  EXPECT_TRUE(flags.is_uapi_on);
  EXPECT_EQ(flags.log_level, "debug");
  EXPECT_EQ(flags.stats_interval, seconds(60));
  const RunAccounts accounts = ResolveAccounts(flags).value();
  EXPECT_EQ(accounts.own.value().uid, 64061U);
  EXPECT_EQ(accounts.own.value().gid, 64062U);
  EXPECT_EQ(accounts.controlplane.uid, 64062U);
}

TEST(RunOptions, ABadValueIsNamedWithItsKeyAndWhatWasExpected) {
  struct Bad {
    const char* flag;
    const char* value;
    const char* expected;
  };
  for (const Bad& bad : {Bad{"--channel", "tcp:hub:7443", "unix:/absolute/path"},
                         Bad{"--channel", "dataplane.sock", "unix:/PATH"},
                         Bad{"--mtu", "575", "576 to 65475"},
                         Bad{"--mtu", "65476", "576 to 65475"},
                         Bad{"--mtu", "large", "number"},
                         Bad{"--listen-port", "65536", "0 to 65535"},
                         Bad{"--listen-port", "-1", "0 to 65535"},
                         Bad{"--advertise", "vpn.example.org", "HOST:PORT"},
                         Bad{"--shards", "many", "number"},
                         Bad{"--shards", "0", "1 to 64"},
                         Bad{"--shards", "65", "1 to 64"},
                         Bad{"--state-dir", "state", "starts with /"},
                         Bad{"--allow-route", "10.0.0.0/33", "prefix"},
                         Bad{"--host-setup", "perhaps", "on or off"},
                         Bad{"--udp-gso", "perhaps", "auto, on or off"},
                         Bad{"--udp-gro", "perhaps", "auto, on or off"},
                         Bad{"--tun-offload", "perhaps", "auto, on or off"},
                         Bad{"--uapi", "1.5", "on or off"},
                         Bad{"--log-level", "loud", "trace, debug, info, warn, error, off"},
                         Bad{"--stats-interval", "soon", "10s"},
                         Bad{"--stats-interval", "2h", "1h"}}) {
    const Given on_command_line({bad.flag, bad.value});
    EXPECT_TRUE(absl::IsInvalidArgument(on_command_line.status)) << bad.flag;
    EXPECT_THAT(MessageOf(on_command_line.status),
                AllOf(HasSubstr(bad.flag), HasSubstr(bad.value), HasSubstr(bad.expected)));

    std::string variable = std::string("ADIT_") + (bad.flag + 2);
    for (char& c : variable) {
      c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    EXPECT_THAT(MessageOf(Given({}, {{variable, bad.value}}).status),
                AllOf(HasSubstr(variable), HasSubstr(bad.value), HasSubstr(bad.expected)));

    const state::TempDirectory temp;
    state::WriteFileOf(temp.File("c.yaml"),
                       std::string(bad.flag + 2) + ": \"" + bad.value + "\"\n");
    EXPECT_THAT(MessageOf(Given({"--config", temp.File("c.yaml")}).status),
                AllOf(HasSubstr(temp.File("c.yaml") + ":1: " + (bad.flag + 2)),
                      HasSubstr(bad.value), HasSubstr(bad.expected)));
  }
}

TEST(RunOptions, UnknownFlagsAndKeysAreErrors) {
  EXPECT_THAT(MessageOf(Given({"--tun-nam", "x"}).status),
              AllOf(HasSubstr("--tun-nam: unknown flag"), HasSubstr("--tun-name")));
  EXPECT_THAT(MessageOf(Given({"--bogus"}).status),
              AllOf(HasSubstr("--bogus"), HasSubstr("--help")));
  const state::TempDirectory temp;
  state::WriteFileOf(temp.File("c.yaml"), "mtu: 1280\nmtuu: 3\n");
  EXPECT_THAT(MessageOf(Given({"--config", temp.File("c.yaml")}).status),
              HasSubstr(temp.File("c.yaml") + ":2: mtuu: unknown key; expected perhaps mtu"));
}

TEST(RunOptions, AccountsThatCannotBeAreNamedWithTheirFlag) {
  const auto error = [](const std::vector<std::string>& arguments) {
    return MessageOf(ResolveAccounts(Given(arguments).flags).status());
  };
  EXPECT_THAT(error({"--user", "0", "--controlplane-user", "1"}),
              AllOf(HasSubstr("--user"), HasSubstr("uid 0")));
  EXPECT_THAT(error({"--user", "root", "--controlplane-user", "1"}), HasSubstr("uid 0"));
  EXPECT_THAT(error({"--user", "no-such-user", "--controlplane-user", "1"}),
              HasSubstr("--user no-such-user"));
  EXPECT_THAT(error({"--user", "64061", "--controlplane-user", "no-such-user"}),
              HasSubstr("--controlplane-user no-such-user"));
}

TEST(RunOptions, TheNodeIsNamedAsItsHostUnlessToldOtherwise) {
  char host[256] = {};
  ASSERT_EQ(gethostname(host, sizeof host - 1), 0);
  EXPECT_EQ(NodeNameOf(RunFlags()).value(), host);
}

}  // namespace
}  // namespace adit::app
