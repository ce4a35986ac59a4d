#include "controlplane/cli/node_noun.h"

#include <fmt/format.h>

#include "controlplane/cli/noun_commands.h"
#include "controlplane/cli/times.h"

namespace adit::cli {
namespace {

using admin::v1::Node;

std::string StateText(const Node& node, WallTime now) {
  if (node.state() == Node::CONNECTED) {
    return node.has_connected_since_unix_ns()
               ? fmt::format("connected {}", FormatAge(node.connected_since_unix_ns(), now))
               : "connected";
  }
  return node.has_offline_since_unix_ns()
             ? fmt::format("offline {}", FormatAge(node.offline_since_unix_ns(), now))
             : "offline";
}

std::string RevisionText(const Node& node) {
  return node.applied_revision() == node.current_revision()
             ? fmt::format("{}", node.applied_revision())
             : fmt::format("{} of {}", node.applied_revision(), node.current_revision());
}

std::string AppliedAge(const Node& node, WallTime now) {
  return node.applied_at_unix_ns() == 0 ? "" : FormatAge(node.applied_at_unix_ns(), now);
}

}  // namespace

std::vector<std::string> NodeNoun::Header() {
  return {"NAME", "STATE", "APPLIED", "AGE", "ADVERTISE", "ADDRESSES", "PROBLEMS"};
}

std::vector<std::string> NodeNoun::Row(const Node& node, WallTime now) {
  const std::size_t problems = Problems(node).size();
  return {node.name(),
          StateText(node, now),
          RevisionText(node),
          AppliedAge(node, now),
          node.advertise(),
          Joined(node.addresses()),
          problems == 0 ? "" : fmt::format("{}", problems)};
}

Table NodeNoun::Details(const Node& node, WallTime now) {
  Table table;
  table.Add({"name", node.name()});
  table.Add({"etag", node.etag()});
  table.Add({"state", StateText(node, now)});
  table.Add({"build", node.build()});
  table.Add({"public key", node.public_key()});
  table.Add({"advertise", node.advertise()});
  table.Add({"listen port", fmt::format("{}", node.listen_port())});
  table.Add({"mtu", fmt::format("{}", node.mtu())});
  table.Add({"addresses", Joined(node.addresses())});
  table.Add({"applied revision", RevisionText(node)});
  table.Add({"applied", node.applied_at_unix_ns() == 0
                            ? ""
                            : FormatMomentAndAge(node.applied_at_unix_ns(), now)});
  if (node.has_last_update_ns()) {
    table.Add({"last update took",
               fmt::format("{:.1f} ms", static_cast<double>(node.last_update_ns()) / 1e6)});
  }
  for (const std::string& problem : Problems(node)) {
    table.Add({"problem", problem});
  }
  return table;
}

std::vector<std::string> NodeNoun::Problems(const Node& node) {
  std::vector<std::string> problems;
  for (const auto& rejection : node.rejections()) {
    problems.push_back(rejection.object().empty()
                           ? fmt::format("refuses updates: {} [{}]; it is asked again",
                                         rejection.text(), rejection.code())
                           : fmt::format("rejects {} ({}): {} [{}]", rejection.object(),
                                         rejection.field(), rejection.text(), rejection.code()));
  }
  if (node.has_last_refusal()) {
    problems.push_back("refused to connect under this name: " + node.last_refusal());
  }
  for (const std::string& problem : node.host_problems()) {
    problems.push_back("host: " + problem);
  }
  return problems;
}

}  // namespace adit::cli
