#pragma once

#include <functional>
#include <optional>
#include <string>

#include "adit/admin/v1/peer.grpc.pb.h"
#include "common/config/parser.h"
#include "controlplane/cli/client_key.h"
#include "controlplane/cli/key_file.h"
#include "controlplane/cli/mutation.h"
#include "controlplane/cli/session.h"

namespace adit::cli {

// Where a client's keys come from and go to: --out, --qr, --public-key, --psk-file, --force.
struct ClientFlags {
  std::optional<std::string> out;
  bool is_qr = false;
  std::optional<std::string> public_key;
  std::optional<std::string> psk_file;  // or "generate"
  bool is_force = false;

  void Declare(config::Parser& parser);
  // Empty, or what is wrong with their combination.
  [[nodiscard]] std::string Conflict() const;
};

// What goes to the server: never a private key.
struct ClientPublics {
  std::string public_key;
  std::optional<std::string> preshared_key;
};

// Makes (or takes) the keys, calls, and writes the client's file or QR code: create and rotate are
// this with different calls. See KeyFile for what is where when something goes wrong.
[[nodiscard]] ExitCode MakeClient(
    Session& session, const ClientFlags& client, const MutationFlags& flags, Mutated mutated,
    const std::function<grpc::Status(const ClientPublics&, admin::v1::PeerMutation*)>& call);

}  // namespace adit::cli
