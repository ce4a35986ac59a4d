#include "dataplane/host/foreign_firewall.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace adit::host {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> Settings(const std::string& items, const std::string& tun = "adit0") {
  std::vector<std::string> settings;
  for (const HostProblem& problem : FindForwardDrops("{\"nftables\": [" + items + "]}", tun)) {
    settings.push_back(problem.setting);
  }
  return settings;
}

constexpr char kDockerChain[] =
    R"({"chain": {"family": "ip", "table": "filter", "name": "FORWARD", "handle": 1,
        "type": "filter", "hook": "forward", "prio": 0, "policy": "drop"}})";
constexpr char kAcceptingChain[] =
    R"({"chain": {"family": "inet", "table": "firewalld", "name": "filter_FORWARD", "handle": 1,
        "type": "filter", "hook": "forward", "prio": 10, "policy": "accept"}})";

std::string RuleOf(const std::string& place, const std::string& expressions) {
  return R"(, {"rule": {)" + place + R"(, "handle": 9, "expr": )" + expressions + "}}";
}
constexpr char kInDocker[] = R"("family": "ip", "table": "filter", "chain": "DOCKER-USER")";
constexpr char kInFirewalld[] =
    R"("family": "inet", "table": "firewalld", "chain": "filter_FORWARD")";

TEST(ForeignFirewall, AForwardPolicyOfDropIsFound) {
  EXPECT_THAT(Settings(kDockerChain), ElementsAre("nft chain ip filter FORWARD"));
}

TEST(ForeignFirewall, TheRemedyNamesChainAndInterface) {
  const auto problems =
      FindForwardDrops(std::string("{\"nftables\": [") + kDockerChain + "]}", "adit7");
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_THAT(problems[0].remedy, HasSubstr("nft insert rule ip filter FORWARD"));
  EXPECT_THAT(problems[0].remedy, HasSubstr("adit7"));
}

TEST(ForeignFirewall, ARuleThatRejectsEverythingIsFound) {
  EXPECT_THAT(
      Settings(kAcceptingChain + RuleOf(kInFirewalld, R"([{"counter": {"packets": 0, "bytes": 0}},
                                        {"reject": {"type": "icmpx", "expr": "admin-prohibited"}}])")),
      ElementsAre("nft chain inet firewalld filter_FORWARD"));
}

TEST(ForeignFirewall, ARuleThatDropsSomeIsNone) {
  EXPECT_THAT(
      Settings(kAcceptingChain +
               RuleOf(kInFirewalld, R"([{"match": {"op": "in", "left": {"ct": {"key": "state"}},
                                                 "right": "invalid"}}, {"drop": null}])")),
      IsEmpty());
}

TEST(ForeignFirewall, ARuleThatAcceptsOurInterfaceIsTheOperatorsAnswer) {
  const std::string match =
      R"({"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": )";
  EXPECT_THAT(
      Settings(kDockerChain + RuleOf(kInDocker, "[" + match + R"("adit0"}}, {"accept": null}])")),
      IsEmpty());
  EXPECT_THAT(
      Settings(kDockerChain + RuleOf(kInDocker, "[" + match + R"("adit*"}}, {"accept": null}])")),
      IsEmpty());
  EXPECT_THAT(
      Settings(kDockerChain + RuleOf(kInDocker, "[" + match + R"("adit0"}}, {"drop": null}])")),
      ElementsAre("nft chain ip filter FORWARD"));
  EXPECT_THAT(
      Settings(kDockerChain + RuleOf(kInDocker, "[" + match + R"("eth0"}}, {"accept": null}])")),
      ElementsAre("nft chain ip filter FORWARD"));
}

TEST(ForeignFirewall, OtherHooksAndFamiliesAreNoneOfOurs) {
  EXPECT_THAT(Settings(R"({"chain": {"family": "ip", "table": "t", "name": "in", "handle": 1,
                           "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}},
                          {"chain": {"family": "bridge", "table": "t", "name": "f", "handle": 1,
                           "type": "filter", "hook": "forward", "prio": 0, "policy": "drop"}})"),
              IsEmpty());
}

TEST(ForeignFirewall, WhatIsNotARulesetIsPassedOver) {
  for (const char* text :
       {"", "{", "[]", "null", "{\"nftables\": 3}", "{\"nftables\": [3, {}, null]}",
        "{\"nftables\": [{\"chain\": 3}, {\"rule\": {\"expr\": [1, \"x\"]}}]}"}) {
    EXPECT_THAT(FindForwardDrops(text, "adit0"), IsEmpty()) << text;
  }
}

}  // namespace
}  // namespace adit::host
