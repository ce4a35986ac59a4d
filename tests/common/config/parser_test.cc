#include "common/config/parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/config/config_support.h"

namespace adit::config {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Args = std::vector<std::string>;

class ParserTest : public ::testing::Test {
 protected:
  ParserTest() { options_.Declare(parser_); }

  absl::Status Parse(const Args& args, std::map<std::string, std::string> variables = {}) {
    return parser_.Parse(args, EnvironmentOf(std::move(variables))).status();
  }
  std::string ErrorOf(const Args& args, std::map<std::string, std::string> variables = {}) {
    const absl::Status status = Parse(args, std::move(variables));
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return MessageOf(status);
  }

  Options options_;
  Parser parser_{"adit-test", "a program of these tests"};
};

TEST_F(ParserTest, KeepsDefaultsWhenNothingIsGiven) {
  ASSERT_TRUE(Parse({}).ok());
  EXPECT_EQ(options_.mtu, 1280U);
  EXPECT_EQ(options_.channel.unix_path, "/run/adit/dataplane.sock");
  EXPECT_FALSE(options_.advertise.has_value());
  EXPECT_FALSE(options_.word.has_value());
}

TEST_F(ParserTest, SetsEveryTypeFromTheCommandLine) {
  const absl::Status status = Parse({"--tun-name=wg7",
                                     "--mtu",
                                     "1420",
                                     "-l",
                                     "debug",
                                     "--allow-route",
                                     "10.0.0.0/8",
                                     "--allow-route",
                                     "172.16.0.0/12,fd00::/8",
                                     "--note",
                                     "a,b",
                                     "--note",
                                     "[c]",
                                     "--host-setup",
                                     "off",
                                     "-f",
                                     "--udp-gso",
                                     "on",
                                     "--interval",
                                     "1m30s",
                                     "--advertise",
                                     "[2001:db8::1]:51820",
                                     "--channel",
                                     "tcp:hub:7443",
                                     "word"});
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(options_.tun_name, "wg7");
  EXPECT_EQ(options_.mtu, 1420U);
  EXPECT_EQ(options_.log_level, "debug");
  EXPECT_THAT(options_.allow_route,
              ElementsAre(*IpPrefix::Parse("10.0.0.0/8"), *IpPrefix::Parse("172.16.0.0/12"),
                          *IpPrefix::Parse("fd00::/8")));
  EXPECT_THAT(options_.note, ElementsAre("a,b", "[c]"));
  EXPECT_FALSE(options_.host_setup);
  EXPECT_TRUE(options_.is_foreground);
  EXPECT_EQ(options_.udp_gso, Toggle::kOn);
  EXPECT_EQ(options_.interval, seconds(90));
  EXPECT_EQ(options_.advertise, (HostPort{"2001:db8::1", 51'820}));
  EXPECT_EQ(options_.channel.tcp, (HostPort{"hub", 7'443}));
  EXPECT_EQ(options_.word, "word");
}

TEST_F(ParserTest, PrefersFlagsToEnvironmentToFileToDefault) {
  const ConfigFile file("mtu: 1300\ntun-name: from-file\nlog-level: warn\n");
  ASSERT_TRUE(Parse({"--config", file.path(), "--mtu", "1500"},
                    {{"ADIT_MTU", "1400"}, {"ADIT_TUN_NAME", "from-env"}})
                  .ok());
  EXPECT_EQ(options_.mtu, 1500U);
  EXPECT_EQ(options_.tun_name, "from-env");
  EXPECT_EQ(options_.log_level, "warn");
  EXPECT_TRUE(options_.host_setup);
}

TEST_F(ParserTest, ReadsListsSwitchesAndBooleansFromTheFile) {
  const ConfigFile file(
      "allow-route:\n  - 10.0.0.0/8\n  - fd00::/8\nnote: one\nhost-setup: off\n"
      "foreground: true\n# a comment\n");
  ASSERT_TRUE(Parse({}, {{"ADIT_CONFIG", file.path()}}).ok());
  EXPECT_EQ(options_.allow_route.size(), 2U);
  EXPECT_THAT(options_.note, ElementsAre("one"));
  EXPECT_FALSE(options_.host_setup);
  EXPECT_TRUE(options_.is_foreground);
}

TEST_F(ParserTest, SplitsListsOfTheEnvironmentAtCommas) {
  ASSERT_TRUE(Parse({}, {{"ADIT_ALLOW_ROUTE", "10.0.0.0/8,fd00::/8"}, {"ADIT_NOTE", "a,b"}}).ok());
  EXPECT_EQ(options_.allow_route.size(), 2U);
  EXPECT_THAT(options_.note, ElementsAre("a", "b"));
}

TEST_F(ParserTest, RefusesWhatItDoesNotKnowAndSaysWhatIsNear) {
  EXPECT_THAT(ErrorOf({"--mtx", "5"}), AllOf(HasSubstr("--mtx"), HasSubstr("perhaps --mtu")));
  EXPECT_THAT(ErrorOf({"--nothing-like-it=5"}),
              AllOf(HasSubstr("--nothing-like-it: unknown flag"), HasSubstr("--help")));
  EXPECT_THAT(ErrorOf({"-x"}), HasSubstr("-x: unknown flag"));
  EXPECT_THAT(ErrorOf({"one", "two"}), HasSubstr("\"two\": unexpected argument"));
  const ConfigFile file("\nmtv: 1300\n");
  EXPECT_THAT(ErrorOf({"--config", file.path()}),
              AllOf(HasSubstr(file.path() + ":2: mtv: unknown key"), HasSubstr("perhaps mtu")));
}

TEST_F(ParserTest, NamesKeySourceValueAndWhatWasExpected) {
  EXPECT_EQ(ErrorOf({"--mtu", "12"}), "--mtu: \"12\": expected 576 to 65475");
  EXPECT_EQ(ErrorOf({"--mtu", "many"}),
            "--mtu: \"many\": expected a whole number from 0 to 4294967295");
  EXPECT_EQ(ErrorOf({}, {{"ADIT_HOST_SETUP", "maybe"}}),
            "ADIT_HOST_SETUP: \"maybe\": expected on or off");
  const ConfigFile file("log-level: loud\n");
  EXPECT_EQ(ErrorOf({"--config", file.path()}),
            file.path() + ":1: log-level: \"loud\": expected one of debug, info, warn");
  EXPECT_THAT(ErrorOf({"--mtu"}), HasSubstr("--mtu"));
  EXPECT_THAT(ErrorOf({"--mtu", "1300", "--mtu", "1400"}),
              HasSubstr("--mtu: given 2 times; expected once"));
  EXPECT_THAT(ErrorOf({"--foreground=maybe"}), HasSubstr("foreground"));
}

TEST_F(ParserTest, SetsNothingWhenAnythingIsWrong) {
  ErrorOf({"--tun-name", "wg7", "-f", "--mtu", "1"});
  EXPECT_EQ(options_.tun_name, "adit0");
  EXPECT_FALSE(options_.is_foreground);
}

TEST_F(ParserTest, RefusesFilesThatAreNotPlainKeys) {
  for (const auto& [text, expected] :
       std::map<std::string, std::string>{{"- a\n- b\n", "key: value"},
                                          {"mtu: [1300, 1400]\n", "a list; expected one value"},
                                          {"mtu: {a: 1}\n", "a group of keys"},
                                          {"mtu:\n", "nothing"},
                                          {"mtu: 1300\nmtu: 1400\n", "here again"},
                                          {"note: [[a]]\n", "plain values"},
                                          {"mtu: 1300\n---\nmtu: 1400\n", "one YAML document"},
                                          {"mtu: [1300\n", "expected YAML"},
                                          {"advertise: gw:51820\n", "on the command line only"},
                                          {"config: other.yaml\n", "unknown key"},
                                          {std::string((1 << 20) + 1, '#'), "at most"}}) {
    const ConfigFile file(text);
    EXPECT_THAT(ErrorOf({"--config", file.path()}),
                AllOf(HasSubstr(file.path()), HasSubstr(expected)));
  }
  EXPECT_TRUE(absl::IsNotFound(Parse({"--config", "/nonexistent/adit.yaml"})));
  const ConfigFile empty("");
  EXPECT_TRUE(Parse({"--config", empty.path()}).ok());
}

TEST_F(ParserTest, TakesPositionalArgumentsInOrder) {
  Parser parser("adit-test", "");
  std::string first;
  std::vector<std::string> rest;
  parser.Positional("FIRST", &first, "the first");
  parser.Positional("REST", &rest, "all others");
  ASSERT_TRUE(parser.Parse({"a", "b", "--", "-c"}, EnvironmentOf({})).ok());
  EXPECT_EQ(first, "a");
  EXPECT_THAT(rest, ElementsAre("b", "-c"));
  EXPECT_THAT(parser.Help(), HasSubstr("FIRST"));
  const auto missing = parser.Parse({}, EnvironmentOf({}));
  EXPECT_THAT(MessageOf(missing.status()), HasSubstr("FIRST: missing"));
}

TEST_F(ParserTest, AsksForHelpAndVersionBeforeItJudgesTheRest) {
  EXPECT_EQ(*parser_.Parse({"--help", "--mtu", "1"}, EnvironmentOf({})), Parsed::kHelp);
  EXPECT_EQ(*parser_.Parse({"--version"}, EnvironmentOf({})), Parsed::kVersion);
  EXPECT_THAT(parser_.Help(), AllOf(HasSubstr("--mtu BYTES"), HasSubstr("MTU of the tunnel [1280]"),
                                    HasSubstr("-l,--log-level"), HasSubstr("(may repeat)")));
  EXPECT_THAT(parser_.Version(), ::testing::MatchesRegex("adit-test [0-9.]+"));
}

TEST_F(ParserTest, FindsTheFirstWordBehindFlags) {
  EXPECT_EQ(parser_.FirstWord(Args{"--mtu", "1300", "-f", "-l", "debug", "run", "x"}), 5U);
  EXPECT_EQ(parser_.FirstWord(Args{"--mtu=1300", "run"}), 1U);
  EXPECT_EQ(parser_.FirstWord(Args{"-f"}), 1U);
  EXPECT_EQ(parser_.FirstWord(Args{"--mtu"}), 1U);
}

}  // namespace
}  // namespace adit::config
