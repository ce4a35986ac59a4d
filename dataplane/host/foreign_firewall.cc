#include "dataplane/host/foreign_firewall.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "common/status.h"

#include <nlohmann/json.hpp>

namespace adit::host {
namespace {

using Json = nlohmann::json;
using Table = std::pair<std::string, std::string>;                // family, name
using Chain = std::tuple<std::string, std::string, std::string>;  // family, table, name

std::string Text(const Json& object, const char* field) {
  const auto found = object.find(field);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// Whether a string anywhere below is the interface's name, or a pattern ("tun*") that it matches.
bool Names(const Json& value, std::string_view interface) {
  if (value.is_string()) {
    std::string_view text = value.get_ref<const std::string&>();
    if (text.size() > 1 && text.back() == '*') {
      text.remove_suffix(1);
      return interface.starts_with(text);
    }
    return text == interface;
  }
  return value.is_structured() && std::any_of(value.begin(), value.end(), [&](const Json& inner) {
           return Names(inner, interface);
         });
}

bool HasStatement(const Json& expressions, std::initializer_list<const char*> names) {
  return std::any_of(expressions.begin(), expressions.end(), [&](const Json& expression) {
    return std::any_of(names.begin(), names.end(),
                       [&](const char* name) { return expression.contains(name); });
  });
}

// drop or reject, with nothing before it that could spare a packet.
bool DropsEverything(const Json& expressions) {
  const bool has_condition =
      std::any_of(expressions.begin(), expressions.end(), [](const Json& expression) {
        return !HasStatement(Json::array({expression}), {"counter", "log", "drop", "reject"});
      });
  return !has_condition && HasStatement(expressions, {"drop", "reject"});
}

HostProblem ProblemOf(const Chain& chain, std::string_view why, std::string_view tun_name) {
  const auto& [family, table, name] = chain;
  const std::string rule = fmt::format("nft insert rule {} {} {}", family, table, name);
  return {fmt::format("nft chain {} {} {}", family, table, name),
          fmt::format("it {0} forwarded packets; let the tunnel pass, with `{1} iifname \"{2}\" "
                      "accept` and `{1} oifname \"{2}\" accept`, or the same in the firewall that "
                      "owns the chain",
                      why, rule, tun_name)};
}

}  // namespace

std::vector<HostProblem> FindForwardDrops(std::string_view ruleset, std::string_view tun_name) {
  const Json document = Json::parse(ruleset, nullptr, /*allow_exceptions=*/false);
  std::vector<HostProblem> problems;
  if (!document.is_object() || !document.contains("nftables") || !document["nftables"].is_array()) {
    return problems;
  }
  std::set<Table> answered;
  std::map<Chain, bool> forward_chains;  // and whether the policy is drop
  std::set<Chain> dropping;
  for (const Json& item : document["nftables"]) {
    if (!item.is_object()) {
      continue;
    }
    if (item.contains("chain") && item["chain"].is_object()) {
      const Json& chain = item["chain"];
      const std::string family = Text(chain, "family");
      const bool sees_ip = family == "ip" || family == "ip6" || family == "inet";
      if (sees_ip && Text(chain, "hook") == "forward") {
        forward_chains[{family, Text(chain, "table"), Text(chain, "name")}] =
            Text(chain, "policy") == "drop";
      }
    } else if (item.contains("rule") && item["rule"].is_object() && item["rule"].contains("expr") &&
               item["rule"]["expr"].is_array()) {
      const Json& rule = item["rule"];
      const Json& expressions = rule["expr"];
      if (Names(expressions, tun_name) && HasStatement(expressions, {"accept", "jump", "goto"})) {
        answered.insert({Text(rule, "family"), Text(rule, "table")});
      }
      if (DropsEverything(expressions)) {
        dropping.insert({Text(rule, "family"), Text(rule, "table"), Text(rule, "chain")});
      }
    }
  }
  for (const auto& [chain, is_policy_drop] : forward_chains) {
    if (answered.contains({std::get<0>(chain), std::get<1>(chain)})) {
      continue;
    }
    if (is_policy_drop) {
      problems.push_back(ProblemOf(chain, "drops by its policy", tun_name));
    } else if (dropping.contains(chain)) {
      problems.push_back(ProblemOf(chain, "drops or rejects by a rule", tun_name));
    }
  }
  return problems;
}

absl::StatusOr<std::vector<HostProblem>> ForeignForwardDrops(Nftables& nftables,
                                                             std::string_view tun_name) {
  ASSIGN_OR_RETURN(const std::string ruleset, nftables.RunForJson("list ruleset"));
  return FindForwardDrops(ruleset, tun_name);
}

}  // namespace adit::host
