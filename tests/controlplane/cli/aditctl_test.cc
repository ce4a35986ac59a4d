#include "controlplane/cli/aditctl.h"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/status.h"
#include "tests/controlplane/cli/fake_admin.h"
#include "tests/controlplane/cli/scratch_directory.h"

#include <nlohmann/json.hpp>

namespace adit::cli {
namespace {

using admin::v1::Node;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class AditctlTest : public ::testing::Test {
 protected:
  Node& AddNode(const std::string& name, Node::State state) {
    Node& node = fake_.nodes.emplace_back();
    node.set_name(name);
    node.set_state(state);
    node.set_applied_revision(11);
    node.set_current_revision(12);
    node.set_applied_at_unix_ns((StillClock::kUnixSeconds - 3) * 1'000'000'000);
    return node;
  }

  FakeAdmin fake_;
  Terminal terminal_{fake_};
};

TEST_F(AditctlTest, HelpListsEveryCommandAndEachHasItsOwn) {
  EXPECT_EQ(terminal_.Run({"--help"}), ExitCode::kOk);
  EXPECT_THAT(terminal_.out(), AllOf(HasSubstr("peer rotate"), HasSubstr("policy disable"),
                                     HasSubstr("completion"), HasSubstr("--server")));
  EXPECT_EQ(terminal_.Run({"peer", "--help"}), ExitCode::kOk);
  EXPECT_THAT(terminal_.out(), AllOf(HasSubstr("peer export"), Not(HasSubstr("policy"))));
  EXPECT_EQ(terminal_.Run({"peer", "create", "--help"}), ExitCode::kOk);
  EXPECT_THAT(terminal_.out(), AllOf(HasSubstr("--psk-file"), HasSubstr("NAME")));
  EXPECT_EQ(terminal_.Run({"--version"}), ExitCode::kOk);
  EXPECT_THAT(terminal_.out(), ::testing::StartsWith("aditctl "));
  EXPECT_EQ(fake_.calls, 0);
}

TEST_F(AditctlTest, WrongCommandLinesAreUsageErrorsThatSayWhatWasExpected) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong{
      {{}, "expected a command"},
      {{"per", "list"}, "perhaps peer"},
      {{"peer", "lst"}, "perhaps list"},
      {{"peer"}, "unknown verb"},
      {{"xyzzy"}, "one of node, peer, resource, policy, status, version, completion"},
      {{"peer", "list", "--bogus"}, "--bogus: unknown flag"},
      {{"-o", "xml", "peer", "list"}, "expected one of table, json, yaml, name"},
      {{"--timeout", "5", "peer", "list"}, "expected a duration"},
      {{"peer", "get"}, "NAME: missing"},
      {{"peer", "get", "a", "b"}, "unexpected argument"},
      {{"peer", "create", "a"}, "expected --out FILE, --qr or --public-key"},
      {{"peer", "create", "a", "--public-key", "short"}, "44 characters"},
      {{"peer", "create", "a", "--out", "-", "--keepalive", "65536"}, "expected 0 to 65535"},
      {{"peer", "create", "a", "--out", "-", "--endpoint", "gw:1"}, "numeric"},
      {{"peer", "update", "a"}, "nothing to change"},
      {{"peer", "rotate", "a", "--qr", "--remove-psk", "--psk-file", "generate"}, "--remove-psk"},
      {{"resource", "create", "r", "--cidr", "10.0.0.0/8"}, "--allow: missing"},
      {{"resource", "create", "r", "--allow", "all"}, "expected --cidr or --ip"},
      {{"resource", "create", "r", "--ip", "10.0.0.0/8", "--allow", "all"}, "--ip"},
      {{"resource", "create", "r", "--cidr", "10.0.0.1/8", "--allow", "all"}, "10.0.0.0/8"},
      {{"resource", "update", "r"}, "nothing to change"},
      {{"policy", "create", "p", "--peer", "a"}, "--resource: missing"},
      {{"policy", "update", "p", "--expires", "yesterday"}, "--expires"},
      {{"node", "update", "n"}, "nothing to change"},
      {{"completion", "fish"}, "expected one of bash"}};
  for (const auto& [args, text] : wrong) {
    EXPECT_EQ(terminal_.Run(args), ExitCode::kUsage) << text;
    EXPECT_THAT(terminal_.err(), HasSubstr(text));
    EXPECT_THAT(terminal_.out(), IsEmpty());
  }
  EXPECT_EQ(fake_.calls, 0);
}

TEST_F(AditctlTest, GlobalFlagsStandAnywhere) {
  AddNode("gw", Node::CONNECTED);
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"-o", "name", "node", "get", "gw"},
        {"node", "-o", "name", "get", "gw"},
        {"node", "get", "gw", "--output=name"}}) {
    EXPECT_EQ(terminal_.Run(args), ExitCode::kOk);
    EXPECT_EQ(terminal_.out(), "node/gw\n");
  }
}

TEST_F(AditctlTest, StatusShowsEveryNodeAndFailsWhenNoneIsConnected) {
  EXPECT_EQ(terminal_.Run({"status"}), ExitCode::kCheckFailed);
  EXPECT_THAT(terminal_.err(), HasSubstr("no data plane has connected yet"));
  Node& offline = AddNode("gw2", Node::OFFLINE);
  offline.set_offline_since_unix_ns((StillClock::kUnixSeconds - 7'200) * 1'000'000'000);
  offline.set_last_refusal("another key");
  EXPECT_EQ(terminal_.Run({"status"}), ExitCode::kCheckFailed);
  EXPECT_THAT(terminal_.err(), HasSubstr("no data plane is connected"));
  Node& node = AddNode("gw", Node::CONNECTED);
  node.add_host_problems("net.ipv4.conf.eth0.forwarding: set it to 1");
  auto* rejection = node.add_rejections();
  rejection->set_object("resource/wiki");
  rejection->set_field("cidrs");
  rejection->set_text("covers a local address");
  rejection->set_code("COVERS_LOCAL");
  auto* refusal = node.add_rejections();
  refusal->set_text("the disk is full");
  refusal->set_code("UPDATE_REFUSED");
  EXPECT_EQ(terminal_.Run({"status"}), ExitCode::kOk);
  EXPECT_THAT(terminal_.out(),
              AllOf(HasSubstr("connected"), HasSubstr("offline 2h"), HasSubstr("11 of 12  3s"),
                    HasSubstr("gw: host: net.ipv4.conf.eth0.forwarding: set it to 1"),
                    HasSubstr("gw: rejects resource/wiki (cidrs): covers a local address"),
                    HasSubstr("gw: refuses updates: the disk is full [UPDATE_REFUSED]"),
                    HasSubstr("gw2: refused to connect under this name: another key")));
}

TEST_F(AditctlTest, VersionFailsWhenTheServerIsNotReachable) {
  EXPECT_EQ(terminal_.Run({"version"}), ExitCode::kOk);
  EXPECT_THAT(terminal_.out(), HasSubstr("adit-controlplane 0.1.0"));
  terminal_.dial_error = NotFound("/run/adit: no such directory");
  EXPECT_EQ(terminal_.Run({"version"}), ExitCode::kUnavailable);
  EXPECT_THAT(terminal_.out(), HasSubstr("aditctl "));
  terminal_.dial_error = PermissionDenied("you are not the admin user");
  EXPECT_EQ(terminal_.Run({"version"}), ExitCode::kPermission);
}

TEST_F(AditctlTest, JsonHasEveryPlainFieldAndYamlTheSame) {
  AddNode("gw", Node::CONNECTED);
  EXPECT_EQ(terminal_.Run({"-o", "json", "node", "get", "gw"}), ExitCode::kOk);
  const auto json = nlohmann::json::parse(terminal_.out());
  EXPECT_EQ(json["state"], "CONNECTED");
  EXPECT_EQ(json["appliedRevision"], "11");
  EXPECT_EQ(json["publicKey"], "");
  EXPECT_TRUE(json["rejections"].is_array());
  EXPECT_EQ(terminal_.Run({"-o", "yaml", "node", "get", "gw"}), ExitCode::kOk);
  EXPECT_THAT(terminal_.out(), AllOf(HasSubstr("state: \"CONNECTED\"\n"),
                                     HasSubstr("rejections: []\n"), HasSubstr("mtu: 0\n")));
}

TEST_F(AditctlTest, ListsReadEveryPage) {
  fake_.page_size = 2;
  for (const char* name : {"a", "b", "c", "d", "e"}) {
    fake_.peers.emplace_back().set_name(name);
  }
  EXPECT_EQ(terminal_.Run({"peer", "list", "-o", "name"}), ExitCode::kOk);
  EXPECT_EQ(terminal_.out(), "peer/a\npeer/b\npeer/c\npeer/d\npeer/e\n");
  EXPECT_EQ(terminal_.Run({"peer", "list", "-o", "json"}), ExitCode::kOk);
  EXPECT_EQ(nlohmann::json::parse(terminal_.out())["peers"].size(), 5U);
  EXPECT_EQ(terminal_.Run({"peer", "list"}), ExitCode::kOk);
  EXPECT_THAT(terminal_.out(), HasSubstr("NAME  NODE"));
}

TEST_F(AditctlTest, WatchPrintsEachNodeOnALineAndFailsWhenItEnds) {
  AddNode("gw", Node::CONNECTED);
  AddNode("gw2", Node::OFFLINE);
  EXPECT_EQ(terminal_.Run({"node", "list", "--watch", "-o", "json"}), ExitCode::kUnavailable);
  const std::string out = terminal_.out();
  EXPECT_EQ(std::ranges::count(out, '\n'), 2);
  EXPECT_EQ(nlohmann::json::parse(out.substr(0, out.find('\n')))["name"], "gw");
}

TEST_F(AditctlTest, ResourcesAreSentAsTheFlagsSay) {
  EXPECT_EQ(
      terminal_.Run({"resource", "create", "wiki", "--cidr", "10.77.1.0/24,fd77:1::/64", "--ip",
                     "10.77.2.1", "--node", "gw", "--allow", "tcp:443", "--nat", "off"}),
      ExitCode::kOk);
  const auto& created = fake_.create_resource.resource();
  EXPECT_THAT(created.cidrs(), ElementsAre("10.77.1.0/24", "fd77:1::/64", "10.77.2.1/32"));
  EXPECT_EQ(created.node(), "gw");
  EXPECT_EQ(created.allow_size(), 1);
  EXPECT_TRUE(created.has_nat() && !created.nat());
  EXPECT_EQ(terminal_.Run({"resource", "update", "wiki", "--allow", "all"}), ExitCode::kOk);
  EXPECT_THAT(fake_.update_resource.update_mask().paths(), ElementsAre("allow"));
  EXPECT_TRUE(fake_.update_resource.resource().allow_all());
  EXPECT_FALSE(fake_.update_resource.resource().has_nat());
}

TEST_F(AditctlTest, PoliciesReplaceListsAndClearTheirExpiry) {
  EXPECT_EQ(terminal_.Run({"policy", "create", "readers", "--peer", "a", "--peer", "b,c",
                           "--resource", "wiki", "--expires", "1h"}),
            ExitCode::kOk);
  EXPECT_THAT(fake_.create_policy.policy().peers(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(fake_.create_policy.policy().expires_unix_ns(),
            (StillClock::kUnixSeconds + 3'600) * 1'000'000'000);
  EXPECT_EQ(terminal_.Run({"policy", "update", "readers", "--peer", "b", "--expires", "never"}),
            ExitCode::kOk);
  EXPECT_THAT(fake_.update_policy.update_mask().paths(), ElementsAre("peers", "expires_unix_ns"));
  EXPECT_FALSE(fake_.update_policy.policy().has_expires_unix_ns());
  EXPECT_EQ(terminal_.Run({"policy", "enable", "readers"}), ExitCode::kOk);
  EXPECT_FALSE(fake_.update_policy.policy().disabled());
}

TEST_F(AditctlTest, NodesAndPeersSendOnlyWhatChanges) {
  EXPECT_EQ(terminal_.Run({"node", "update", "gw", "--advertise", "none"}), ExitCode::kOk);
  EXPECT_THAT(fake_.update_node.update_mask().paths(), ElementsAre("advertise"));
  EXPECT_EQ(fake_.update_node.node().advertise(), "");
  EXPECT_EQ(terminal_.Run({"peer", "update", "a", "--endpoint", "none", "--keepalive", "25"}),
            ExitCode::kOk);
  EXPECT_THAT(fake_.update_peer.update_mask().paths(), ElementsAre("endpoint", "keepalive"));
  EXPECT_FALSE(fake_.update_peer.peer().has_endpoint());
  EXPECT_EQ(fake_.update_peer.peer().keepalive(), 25U);
  EXPECT_EQ(terminal_.Run({"peer", "delete", "a", "--etag", "3"}), ExitCode::kOk);
  EXPECT_EQ(fake_.delete_peer.etag(), "3");
}

TEST_F(AditctlTest, TablesNeverPrintControlCharactersOfOthers) {
  fake_.peers.emplace_back().set_name("a\x1b[2Jb\nc");
  EXPECT_EQ(terminal_.Run({"peer", "list"}), ExitCode::kOk);
  EXPECT_THAT(terminal_.out(), AllOf(HasSubstr("a?[2Jb?c"), Not(HasSubstr("\x1b"))));
}

TEST_F(AditctlTest, CompletionIsBashThatKnowsVerbsAndFlags) {
  const ScratchDirectory scratch;
  EXPECT_EQ(terminal_.Run({"completion", "bash"}), ExitCode::kOk);
  scratch.Write("completion", terminal_.out());
  scratch.Write("try", "source " + scratch.File("completion") + R"(
    try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _aditctl; echo "${COMPREPLY[*]}"; }
    try aditctl p; try aditctl -o json policy e; try aditctl peer create --p
)");
  const std::string command = "bash " + scratch.File("try") + " > " + scratch.File("out") + " 2>&1";
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(scratch.Read("out"), "peer policy\nenable\n--public-key --psk-file\n");
}

}  // namespace
}  // namespace adit::cli
