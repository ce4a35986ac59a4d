#pragma once

#include <string>
#include <vector>

#include "adit/admin/v1/node.grpc.pb.h"
#include "common/time.h"
#include "controlplane/cli/table.h"

namespace adit::cli {

// Nodes for noun_commands.h, and for status.
struct NodeNoun {
  static constexpr std::string_view kName = "node";
  using Service = admin::v1::NodeService;
  using Object = admin::v1::Node;
  using ListRequest = admin::v1::ListNodesRequest;
  using ListResponse = admin::v1::ListNodesResponse;
  using GetRequest = admin::v1::GetNodeRequest;
  using DeleteRequest = admin::v1::DeleteNodeRequest;
  using Mutation = admin::v1::NodeMutation;
  static constexpr auto kGet = &Service::Stub::GetNode;
  static constexpr auto kList = &Service::Stub::ListNodes;
  static constexpr auto kDelete = &Service::Stub::DeleteNode;
  static auto* Items(ListResponse* list) { return list->mutable_nodes(); }

  static std::vector<std::string> Header();
  static std::vector<std::string> Row(const Object& node, WallTime now);
  static Table Details(const Object& node, WallTime now);
  // One sentence for each object it rejects, refused Hello and problem of its host.
  static std::vector<std::string> Problems(const Object& node);
};

}  // namespace adit::cli
