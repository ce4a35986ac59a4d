#include "adit/admin/v1/resource.grpc.pb.h"
#include "common/status.h"
#include "controlplane/cli/allow_flag.h"
#include "controlplane/cli/noun_commands.h"
#include "controlplane/cli/times.h"

namespace adit::cli {
namespace {

using admin::v1::Resource;

struct ResourceNoun {
  static constexpr std::string_view kName = "resource";
  using Service = admin::v1::ResourceService;
  using Object = Resource;
  using ListRequest = admin::v1::ListResourcesRequest;
  using ListResponse = admin::v1::ListResourcesResponse;
  using GetRequest = admin::v1::GetResourceRequest;
  using DeleteRequest = admin::v1::DeleteResourceRequest;
  using Mutation = admin::v1::ResourceMutation;
  static constexpr auto kGet = &Service::Stub::GetResource;
  static constexpr auto kList = &Service::Stub::ListResources;
  static constexpr auto kDelete = &Service::Stub::DeleteResource;
  static auto* Items(ListResponse* list) { return list->mutable_resources(); }

  static std::string NatText(const Resource& r) { return !r.has_nat() || r.nat() ? "on" : "off"; }
  static std::vector<std::string> Header() { return {"NAME", "NODE", "CIDRS", "ALLOW", "NAT"}; }
  static std::vector<std::string> Row(const Resource& r, WallTime) {
    return {r.name(), r.node(), Joined(r.cidrs()), FormatAllow(r), NatText(r)};
  }
  static Table Details(const Resource& r, WallTime now) {
    Table table;
    table.Add({"name", r.name()});
    table.Add({"etag", r.etag()});
    table.Add({"node", r.node()});
    table.Add({"cidrs", Joined(r.cidrs())});
    table.Add({"allow", FormatAllow(r)});
    table.Add({"nat", NatText(r)});
    table.Add({"created", FormatMomentAndAge(r.created_unix_ns(), now)});
    return table;
  }
};

// What a resource is made of, as flags.
struct ResourceFlags {
  std::vector<IpPrefix> cidrs;
  std::vector<std::string> ips;
  std::vector<std::string> allow;
  std::optional<std::string> node;
  std::optional<bool> nat;

  void Declare(config::Parser& parser) {
    parser.Flag("cidr", &cidrs, "PREFIX", "what is reached, as in 10.0.0.0/24").CommandLineOnly();
    parser.Flag("ip", &ips, "ADDRESS", "one address that is reached", IsAddress())
        .CommandLineOnly();
    parser.Flag("node", &node, "NODE", "the node it is behind (may be left out if there is one)")
        .CommandLineOnly();
    parser
        .Flag("allow", &allow, "WHAT",
              "tcp:443,8000-8100, udp:53, icmp, or all; nothing is allowed by leaving it out")
        .CommandLineOnly();
    parser
        .Flag("nat", &nat, "on|off",
              "whether the node's address replaces the client's towards it (default on)")
        .CommandLineOnly();
  }
  static config::Check<std::string> IsAddress() {
    return [](const std::string& text) {
      return IpAddress::Parse(text) ? absl::OkStatus()
                                    : InvalidArgument("expected an IPv4 or IPv6 address");
    };
  }
  [[nodiscard]] bool has_destinations() const { return !cidrs.empty() || !ips.empty(); }
  void FillDestinations(Resource* resource) const {
    for (const IpPrefix& cidr : cidrs) {
      resource->add_cidrs(cidr.ToString());
    }
    for (const std::string& ip : ips) {
      resource->add_cidrs(IpPrefix::Host(*IpAddress::Parse(ip)).ToString());
    }
  }
};

class CreateResource final : public Command {
 public:
  void Declare(config::Parser& parser) override {
    parser.Positional("NAME", &name_, "of the resource");
    resource_.Declare(parser);
    flags_.Declare(parser, false);
  }
  ExitCode Run(Session& session) override {
    if (!resource_.has_destinations()) {
      return session.Fail(ExitCode::kUsage, "--cidr: missing; expected --cidr or --ip");
    }
    admin::v1::CreateResourceRequest request;
    Resource* resource = request.mutable_resource();
    resource->set_name(name_);
    resource->set_node(resource_.node.value_or(""));
    resource_.FillDestinations(resource);
    if (const absl::Status status = FillAllow(resource_.allow, resource); !status.ok()) {
      return session.Fail(ExitCode::kUsage, MessageOf(status));
    }
    if (resource_.nat) {
      resource->set_nat(*resource_.nat);
    }
    return Mutate<ResourceNoun>(session, flags_,
                                {.noun = ResourceNoun::kName, .name = name_, .done = "created"},
                                &ResourceNoun::Service::Stub::CreateResource, request);
  }

 private:
  std::string name_;
  ResourceFlags resource_;
  MutationFlags flags_;
};

class UpdateResource final : public Command {
 public:
  void Declare(config::Parser& parser) override {
    parser.Positional("NAME", &name_, "of the resource");
    resource_.Declare(parser);
    flags_.Declare(parser, true);
  }
  ExitCode Run(Session& session) override {
    admin::v1::UpdateResourceRequest request;
    Resource* resource = request.mutable_resource();
    resource->set_name(name_);
    resource->set_etag(flags_.etag);
    if (resource_.has_destinations()) {
      request.mutable_update_mask()->add_paths("cidrs");
      resource_.FillDestinations(resource);
    }
    if (!resource_.allow.empty()) {
      request.mutable_update_mask()->add_paths("allow");
      if (const absl::Status status = FillAllow(resource_.allow, resource); !status.ok()) {
        return session.Fail(ExitCode::kUsage, MessageOf(status));
      }
    }
    if (resource_.node) {
      request.mutable_update_mask()->add_paths("node");
      resource->set_node(*resource_.node);
    }
    if (resource_.nat) {
      request.mutable_update_mask()->add_paths("nat");
      resource->set_nat(*resource_.nat);
    }
    if (request.update_mask().paths().empty()) {
      return session.Fail(ExitCode::kUsage,
                          "nothing to change; expected --cidr, --ip, --allow, --node or --nat");
    }
    return Mutate<ResourceNoun>(session, flags_,
                                {.noun = ResourceNoun::kName, .name = name_, .done = "updated"},
                                &ResourceNoun::Service::Stub::UpdateResource, request);
  }

 private:
  std::string name_;
  ResourceFlags resource_;
  MutationFlags flags_;
};

}  // namespace

std::span<const CommandEntry> ResourceCommands() {
  static constexpr CommandEntry kCommands[] = {
      {"resource", "create", "a private destination behind a node", &Make<CreateResource>},
      {"resource", "list", "all resources", &Make<ListCommand<ResourceNoun>>},
      {"resource", "get", "one resource", &Make<GetCommand<ResourceNoun>>},
      {"resource", "update", "what is given replaces what it has", &Make<UpdateResource>},
      {"resource", "delete", "the resource, also from policies",
       &Make<DeleteCommand<ResourceNoun>>},
  };
  return kCommands;
}

}  // namespace adit::cli
