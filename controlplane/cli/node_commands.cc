#include "common/key.h"
#include "common/status.h"
#include "controlplane/cli/flag_checks.h"
#include "controlplane/cli/node_noun.h"
#include "controlplane/cli/noun_commands.h"

namespace adit::cli {
namespace {

using admin::v1::Node;

// Every node as it is, then each change, until interrupted.
ExitCode WatchNodes(Session& session) {
  bool is_first = true;
  const auto print = [&](const Node& node) {
    switch (session.format()) {
      case Format::kJson:
        session.out() << ToJson(node, false);
        break;
      case Format::kYaml:
        session.out() << "---\n" << ToYaml(node);
        break;
      case Format::kName:
        session.out() << "node/" << Printable(node.name()) << "\n";
        break;
      case Format::kTable: {
        // Rows come one by one, so each is its own table; the header is said once.
        Table row = is_first ? Table(NodeNoun::Header()) : Table();
        row.Add(NodeNoun::Row(node, session.now()));
        row.Print(session.out());
        break;
      }
    }
    is_first = false;
    session.out().flush();
  };
  const grpc::Status status = session.Stream<admin::v1::NodeService>(
      &admin::v1::NodeService::Stub::WatchNodes, admin::v1::ListNodesRequest(), print);
  return status.ok() ? session.Fail(ExitCode::kUnavailable, "the server ended the watch")
                     : session.Report(status);
}

class ListNodes final : public ListCommand<NodeNoun> {
 public:
  void Declare(config::Parser& parser) override {
    parser.Switch("watch", &is_watch_, "then each change, until interrupted").CommandLineOnly();
  }
  ExitCode Run(Session& session) override {
    return is_watch_ ? WatchNodes(session) : ListCommand<NodeNoun>::Run(session);
  }

 private:
  bool is_watch_ = false;
};

class WatchNodesCommand final : public Command {
 public:
  ExitCode Run(Session& session) override { return WatchNodes(session); }
};

class UpdateNode final : public Command {
 public:
  void Declare(config::Parser& parser) override {
    parser.Positional("NAME", &name_, "of the node");
    parser
        .Flag("public-key", &public_key_, "KEY",
              "the key its data plane has (after its state directory was lost)", IsPublicKey())
        .CommandLineOnly();
    parser
        .Flag("advertise", &advertise_, "HOST:PORT", "what clients dial; none for nothing",
              IsHostPortOrNone())
        .CommandLineOnly();
    flags_.Declare(parser, true);
  }
  ExitCode Run(Session& session) override {
    admin::v1::UpdateNodeRequest request;
    Node* node = request.mutable_node();
    node->set_name(name_);
    node->set_etag(flags_.etag);
    if (public_key_) {
      request.mutable_update_mask()->add_paths("public_key");
      node->set_public_key(*public_key_);
    }
    if (advertise_) {
      request.mutable_update_mask()->add_paths("advertise");
      node->set_advertise(*advertise_ == "none" ? "" : *advertise_);
    }
    if (request.update_mask().paths().empty()) {
      return session.Fail(ExitCode::kUsage,
                          "nothing to change; expected --public-key or --advertise");
    }
    return Mutate<NodeNoun>(session, flags_,
                            {.noun = NodeNoun::kName, .name = name_, .done = "updated"},
                            &NodeNoun::Service::Stub::UpdateNode, request);
  }

 private:
  std::string name_;
  std::optional<std::string> public_key_;
  std::optional<std::string> advertise_;
  MutationFlags flags_;
};

}  // namespace

std::span<const CommandEntry> NodeCommands() {
  static constexpr CommandEntry kCommands[] = {
      {"node", "list", "all nodes: state, applied revision and its age", &Make<ListNodes>},
      {"node", "get", "one node", &Make<GetCommand<NodeNoun>>},
      {"node", "watch", "all nodes, then each change", &Make<WatchNodesCommand>},
      {"node", "update", "its pinned key or advertised endpoint", &Make<UpdateNode>},
      {"node", "delete", "a node that nothing belongs to", &Make<DeleteCommand<NodeNoun>>},
  };
  return kCommands;
}

}  // namespace adit::cli
