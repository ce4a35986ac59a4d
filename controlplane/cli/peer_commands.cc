#include <fmt/format.h>

#include "adit/admin/v1/peer.grpc.pb.h"
#include "common/status.h"
#include "controlplane/cli/client_secrets.h"
#include "controlplane/cli/flag_checks.h"
#include "controlplane/cli/noun_commands.h"
#include "controlplane/cli/peer_export.h"
#include "controlplane/cli/times.h"

namespace adit::cli {
namespace {

using admin::v1::Peer;
using admin::v1::PeerService;

struct PeerNoun {
  static constexpr std::string_view kName = "peer";
  using Service = PeerService;
  using Object = Peer;
  using ListRequest = admin::v1::ListPeersRequest;
  using ListResponse = admin::v1::ListPeersResponse;
  using GetRequest = admin::v1::GetPeerRequest;
  using DeleteRequest = admin::v1::DeletePeerRequest;
  using Mutation = admin::v1::PeerMutation;
  static constexpr auto kGet = &Service::Stub::GetPeer;
  static constexpr auto kList = &Service::Stub::ListPeers;
  static constexpr auto kDelete = &Service::Stub::DeletePeer;
  static auto* Items(ListResponse* list) { return list->mutable_peers(); }

  static std::string HandshakeAge(const Peer& p, WallTime now) {
    return p.has_last_handshake_unix_ns() ? FormatAge(p.last_handshake_unix_ns(), now) + " ago"
                                          : "never";
  }
  static std::vector<std::string> Header() {
    return {"NAME", "NODE", "ADDRESSES", "HANDSHAKE", "RECEIVED", "SENT", "ENDPOINT"};
  }
  static std::vector<std::string> Row(const Peer& p, WallTime now) {
    return {p.name(),
            p.node(),
            Joined(p.addresses()),
            HandshakeAge(p, now),
            fmt::format("{}", p.received_bytes()),
            fmt::format("{}", p.sent_bytes()),
            p.has_current_endpoint() ? p.current_endpoint() : p.endpoint()};
  }
  static Table Details(const Peer& p, WallTime now) {
    Table table;
    table.Add({"name", p.name()});
    table.Add({"etag", p.etag()});
    table.Add({"node", p.node()});
    table.Add({"addresses", Joined(p.addresses())});
    table.Add({"public key", p.public_key()});
    table.Add({"preshared key", p.has_preshared_key() ? "yes" : "no"});
    table.Add({"endpoint", p.endpoint()});
    table.Add({"current endpoint", p.current_endpoint()});
    table.Add({"keepalive", p.has_keepalive() ? fmt::format("{}s", p.keepalive()) : ""});
    table.Add({"handshake", HandshakeAge(p, now)});
    table.Add({"received", fmt::format("{} bytes", p.received_bytes())});
    table.Add({"sent", fmt::format("{} bytes", p.sent_bytes())});
    table.Add({"created", FormatMomentAndAge(p.created_unix_ns(), now)});
    if (!p.not_in_export().empty()) {
      table.Add({"needs a new export", "for " + Joined(p.not_in_export())});
    }
    return table;
  }
};

class CreatePeer final : public Command {
 public:
  void Declare(config::Parser& parser) override {
    parser.Positional("NAME", &name_, "of the peer");
    client_.Declare(parser);
    parser
        .Flag("gateway", &gateway_, "NODE",
              "the node it connects to (may be left out if there is one)")
        .CommandLineOnly();
    parser
        .Flag("endpoint", &endpoint_, "ADDRESS:PORT", "of a client that has a fixed one",
              IsEndpointOrNone())
        .CommandLineOnly();
    parser
        .Flag("keepalive", &keepalive_, "SECONDS", "PersistentKeepalive in its file; 0 for none",
              config::Between<std::uint32_t>(0, 65'535))
        .CommandLineOnly();
    flags_.Declare(parser, false);
  }
  ExitCode Run(Session& session) override {
    admin::v1::CreatePeerRequest request;
    Peer* peer = request.mutable_peer();
    peer->set_name(name_);
    peer->set_node(gateway_);
    if (endpoint_ && *endpoint_ != "none") {
      peer->set_endpoint(*endpoint_);
    }
    if (keepalive_ && *keepalive_ != 0) {
      peer->set_keepalive(*keepalive_);
    }
    *request.mutable_options() = flags_.ToOptions(session);
    return MakeClient(
        session, client_, flags_, {.noun = PeerNoun::kName, .name = name_, .done = "created"},
        [&](const ClientPublics& publics, admin::v1::PeerMutation* mutation) {
          peer->set_public_key(publics.public_key);
          if (publics.preshared_key) {
            request.set_preshared_key(*publics.preshared_key);
          }
          return session.Call<PeerService>(&PeerService::Stub::CreatePeer, request, mutation);
        });
  }

 private:
  std::string name_;
  ClientFlags client_;
  std::string gateway_;
  std::optional<std::string> endpoint_;
  std::optional<std::uint32_t> keepalive_;
  MutationFlags flags_;
};

class RotatePeer final : public Command {
 public:
  void Declare(config::Parser& parser) override {
    parser.Positional("NAME", &name_, "of the peer");
    client_.Declare(parser);
    parser.Switch("remove-psk", &is_psk_removed_, "it has no preshared key any more")
        .CommandLineOnly();
    flags_.Declare(parser, true);
  }
  ExitCode Run(Session& session) override {
    if (is_psk_removed_ && client_.psk_file) {
      return session.Fail(ExitCode::kUsage, "--remove-psk: expected without --psk-file");
    }
    admin::v1::RotatePeerRequest request;
    request.set_name(name_);
    request.set_etag(flags_.etag);
    request.set_remove_preshared_key(is_psk_removed_);
    *request.mutable_options() = flags_.ToOptions(session);
    return MakeClient(
        session, client_, flags_, {.noun = PeerNoun::kName, .name = name_, .done = "rotated"},
        [&](const ClientPublics& publics, admin::v1::PeerMutation* mutation) {
          request.set_public_key(publics.public_key);
          if (publics.preshared_key) {
            request.set_preshared_key(*publics.preshared_key);
          }
          return session.Call<PeerService>(&PeerService::Stub::RotatePeer, request, mutation);
        });
  }

 private:
  std::string name_;
  ClientFlags client_;
  bool is_psk_removed_ = false;
  MutationFlags flags_;
};

class UpdatePeer final : public Command {
 public:
  void Declare(config::Parser& parser) override {
    parser.Positional("NAME", &name_, "of the peer");
    parser.Flag("gateway", &gateway_, "NODE", "the node it connects to").CommandLineOnly();
    parser
        .Flag("endpoint", &endpoint_, "ADDRESS:PORT", "its fixed endpoint, or none",
              IsEndpointOrNone())
        .CommandLineOnly();
    parser
        .Flag("keepalive", &keepalive_, "SECONDS", "PersistentKeepalive in its file; 0 for none",
              config::Between<std::uint32_t>(0, 65'535))
        .CommandLineOnly();
    flags_.Declare(parser, true);
  }
  ExitCode Run(Session& session) override {
    admin::v1::UpdatePeerRequest request;
    Peer* peer = request.mutable_peer();
    peer->set_name(name_);
    peer->set_etag(flags_.etag);
    // A field of the mask that is not set is cleared.
    if (gateway_) {
      request.mutable_update_mask()->add_paths("node");
      peer->set_node(*gateway_);
    }
    if (endpoint_) {
      request.mutable_update_mask()->add_paths("endpoint");
      if (*endpoint_ != "none") {
        peer->set_endpoint(*endpoint_);
      }
    }
    if (keepalive_) {
      request.mutable_update_mask()->add_paths("keepalive");
      if (*keepalive_ != 0) {
        peer->set_keepalive(*keepalive_);
      }
    }
    if (request.update_mask().paths().empty()) {
      return session.Fail(ExitCode::kUsage,
                          "nothing to change; expected --gateway, --endpoint or --keepalive");
    }
    return Mutate<PeerNoun>(session, flags_,
                            {.noun = PeerNoun::kName, .name = name_, .done = "updated"},
                            &PeerService::Stub::UpdatePeer, request);
  }

 private:
  std::string name_;
  std::optional<std::string> gateway_;
  std::optional<std::string> endpoint_;
  std::optional<std::uint32_t> keepalive_;
  MutationFlags flags_;
};

}  // namespace

std::span<const CommandEntry> PeerCommands() {
  static constexpr CommandEntry kCommands[] = {
      {"peer", "create", "a stock WireGuard client, with its file", &Make<CreatePeer>},
      {"peer", "list", "all peers", &Make<ListCommand<PeerNoun>>},
      {"peer", "get", "one peer", &Make<GetCommand<PeerNoun>>},
      {"peer", "update", "what is given replaces what it has", &Make<UpdatePeer>},
      {"peer", "delete", "the peer, also from policies", &Make<DeleteCommand<PeerNoun>>},
      {"peer", "rotate", "another key, with its file", &Make<RotatePeer>},
      {"peer", "export", "its file again, with what is behind its gateway today",
       &Make<ExportPeer>},
  };
  return kCommands;
}

}  // namespace adit::cli
