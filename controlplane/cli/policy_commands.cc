#include "adit/admin/v1/policy.grpc.pb.h"
#include "common/status.h"
#include "controlplane/cli/noun_commands.h"
#include "controlplane/cli/times.h"

namespace adit::cli {
namespace {

using admin::v1::Policy;

struct PolicyNoun {
  static constexpr std::string_view kName = "policy";
  using Service = admin::v1::PolicyService;
  using Object = Policy;
  using ListRequest = admin::v1::ListPoliciesRequest;
  using ListResponse = admin::v1::ListPoliciesResponse;
  using GetRequest = admin::v1::GetPolicyRequest;
  using DeleteRequest = admin::v1::DeletePolicyRequest;
  using Mutation = admin::v1::PolicyMutation;
  static constexpr auto kGet = &Service::Stub::GetPolicy;
  static constexpr auto kList = &Service::Stub::ListPolicies;
  static constexpr auto kDelete = &Service::Stub::DeletePolicy;
  static auto* Items(ListResponse* list) { return list->mutable_policies(); }

  static std::string StateText(const Policy& p, WallTime now) {
    const bool is_expired =
        p.has_expires_unix_ns() && WallTime(Duration(p.expires_unix_ns())) <= now;
    return p.disabled() ? "disabled" : is_expired ? "expired" : "enabled";
  }
  static std::string ExpiryText(const Policy& p) {
    return p.has_expires_unix_ns() ? FormatMoment(p.expires_unix_ns()) : "never";
  }
  static std::vector<std::string> Header() {
    return {"NAME", "PEERS", "RESOURCES", "STATE", "EXPIRES"};
  }
  static std::vector<std::string> Row(const Policy& p, WallTime now) {
    return {p.name(), Joined(p.peers()), Joined(p.resources()), StateText(p, now), ExpiryText(p)};
  }
  static Table Details(const Policy& p, WallTime now) {
    Table table;
    table.Add({"name", p.name()});
    table.Add({"etag", p.etag()});
    table.Add({"peers", Joined(p.peers())});
    table.Add({"resources", Joined(p.resources())});
    table.Add({"state", StateText(p, now)});
    table.Add({"expires", ExpiryText(p)});
    table.Add({"created", FormatMomentAndAge(p.created_unix_ns(), now)});
    return table;
  }
};

// Whom a policy lets reach what, as flags.
struct PolicyFlags {
  std::vector<std::string> peers;
  std::vector<std::string> resources;
  std::optional<std::string> expires;

  void Declare(config::Parser& parser) {
    parser.Flag("peer", &peers, "PEER", "who may reach the resources", config::NotEmpty())
        .CommandLineOnly();
    parser.Flag("resource", &resources, "RESOURCE", "what they may reach", config::NotEmpty())
        .CommandLineOnly();
    parser
        .Flag("expires", &expires, "WHEN", "8h, 30d, 2026-01-02T03:04:05Z, or never (the default)")
        .CommandLineOnly();
  }
  [[nodiscard]] absl::Status FillExpiry(WallTime now, Policy* policy) const {
    policy->clear_expires_unix_ns();
    if (!expires || *expires == "never") {
      return absl::OkStatus();
    }
    const auto moment = ParseMoment(*expires, now);
    if (!moment.ok()) {
      return InvalidArgument("--expires: \"" + *expires + "\": " + MessageOf(moment.status()));
    }
    policy->set_expires_unix_ns(moment->since_epoch().count());
    return absl::OkStatus();
  }
};

class CreatePolicy final : public Command {
 public:
  void Declare(config::Parser& parser) override {
    parser.Positional("NAME", &name_, "of the policy");
    policy_.Declare(parser);
    parser.Switch("disabled", &is_disabled_, "it grants nothing until it is enabled")
        .CommandLineOnly();
    flags_.Declare(parser, false);
  }
  ExitCode Run(Session& session) override {
    if (policy_.peers.empty() || policy_.resources.empty()) {
      return session.Fail(ExitCode::kUsage, policy_.peers.empty()
                                                ? "--peer: missing; expected at least one"
                                                : "--resource: missing; expected at least one");
    }
    admin::v1::CreatePolicyRequest request;
    Policy* policy = request.mutable_policy();
    policy->set_name(name_);
    policy->set_disabled(is_disabled_);
    FillNames(policy_.peers, policy->mutable_peers());
    FillNames(policy_.resources, policy->mutable_resources());
    if (const absl::Status status = policy_.FillExpiry(session.now(), policy); !status.ok()) {
      return session.Fail(ExitCode::kUsage, MessageOf(status));
    }
    return Mutate<PolicyNoun>(session, flags_,
                              {.noun = PolicyNoun::kName, .name = name_, .done = "created"},
                              &PolicyNoun::Service::Stub::CreatePolicy, request);
  }

 private:
  std::string name_;
  PolicyFlags policy_;
  bool is_disabled_ = false;
  MutationFlags flags_;
};

class UpdatePolicy final : public Command {
 public:
  void Declare(config::Parser& parser) override {
    parser.Positional("NAME", &name_, "of the policy");
    policy_.Declare(parser);
    flags_.Declare(parser, true);
  }
  ExitCode Run(Session& session) override {
    admin::v1::UpdatePolicyRequest request;
    Policy* policy = request.mutable_policy();
    policy->set_name(name_);
    policy->set_etag(flags_.etag);
    if (!policy_.peers.empty()) {
      request.mutable_update_mask()->add_paths("peers");
      FillNames(policy_.peers, policy->mutable_peers());
    }
    if (!policy_.resources.empty()) {
      request.mutable_update_mask()->add_paths("resources");
      FillNames(policy_.resources, policy->mutable_resources());
    }
    if (policy_.expires) {
      request.mutable_update_mask()->add_paths("expires_unix_ns");
      if (const absl::Status status = policy_.FillExpiry(session.now(), policy); !status.ok()) {
        return session.Fail(ExitCode::kUsage, MessageOf(status));
      }
    }
    if (request.update_mask().paths().empty()) {
      return session.Fail(ExitCode::kUsage,
                          "nothing to change; expected --peer, --resource or --expires");
    }
    return Mutate<PolicyNoun>(session, flags_,
                              {.noun = PolicyNoun::kName, .name = name_, .done = "updated"},
                              &PolicyNoun::Service::Stub::UpdatePolicy, request);
  }

 private:
  std::string name_;
  PolicyFlags policy_;
  MutationFlags flags_;
};

template <bool kIsDisabled>
class SwitchPolicy final : public Command {
 public:
  void Declare(config::Parser& parser) override {
    parser.Positional("NAME", &name_, "of the policy");
    flags_.Declare(parser, true);
  }
  ExitCode Run(Session& session) override {
    admin::v1::UpdatePolicyRequest request;
    request.mutable_policy()->set_name(name_);
    request.mutable_policy()->set_etag(flags_.etag);
    request.mutable_policy()->set_disabled(kIsDisabled);
    request.mutable_update_mask()->add_paths("disabled");
    return Mutate<PolicyNoun>(
        session, flags_,
        {.noun = PolicyNoun::kName, .name = name_, .done = kIsDisabled ? "disabled" : "enabled"},
        &PolicyNoun::Service::Stub::UpdatePolicy, request);
  }

 private:
  std::string name_;
  MutationFlags flags_;
};

}  // namespace

std::span<const CommandEntry> PolicyCommands() {
  static constexpr CommandEntry kCommands[] = {
      {"policy", "create", "lets peers reach resources", &Make<CreatePolicy>},
      {"policy", "list", "all policies", &Make<ListCommand<PolicyNoun>>},
      {"policy", "get", "one policy", &Make<GetCommand<PolicyNoun>>},
      {"policy", "update", "what is given replaces what it has", &Make<UpdatePolicy>},
      {"policy", "delete", "nobody reaches anything by it any more",
       &Make<DeleteCommand<PolicyNoun>>},
      {"policy", "enable", "it grants again", &Make<SwitchPolicy<false>>},
      {"policy", "disable", "it grants nothing, and stays", &Make<SwitchPolicy<true>>},
  };
  return kCommands;
}

}  // namespace adit::cli
