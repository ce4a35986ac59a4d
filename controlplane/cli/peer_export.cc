#include "controlplane/cli/peer_export.h"

#include <fmt/format.h>

#include "adit/admin/v1/peer.grpc.pb.h"
#include "common/status.h"
#include "controlplane/cli/client_key.h"
#include "controlplane/cli/key_file.h"
#include "controlplane/cli/output.h"
#include "controlplane/cli/qr_code.h"
#include "controlplane/cli/wg_quick_text.h"

namespace adit::cli {

using admin::v1::PeerService;

void ExportPeer::Declare(config::Parser& parser) {
  parser.Positional("NAME", &name_, "of the peer");
  parser.Flag("out", &out_, "FILE", "where the file goes; - is standard output").CommandLineOnly();
  parser
      .Flag("private-key-file", &private_key_file_, "FILE",
            "its private key as wg genkey prints it, to put into the file")
      .CommandLineOnly();
  parser.Switch("qr", &is_qr_, "show it as a QR code instead").CommandLineOnly();
  parser.Switch("force", &is_force_, "--out may replace a file").CommandLineOnly();
}

ExitCode ExportPeer::Run(Session& session) {
  if (is_qr_ && !private_key_file_) {
    return session.Fail(ExitCode::kUsage,
                        "--qr: expected with --private-key-file: a code without its private key "
                        "is of no use");
  }
  std::optional<ClientKey> private_key;
  if (private_key_file_) {
    auto key = ClientKey::ReadFile(*private_key_file_, session.world().in);
    if (!key.ok()) {
      return session.Fail(
          absl::IsInvalidArgument(key.status()) ? ExitCode::kUsage : ExitCode::kFailed,
          "--private-key-file: " + MessageOf(key.status()));
    }
    private_key = *std::move(key);
    admin::v1::GetPeerRequest request;
    request.set_name(name_);
    admin::v1::Peer peer;
    const grpc::Status status =
        session.Call<PeerService>(&PeerService::Stub::GetPeer, request, &peer);
    if (!status.ok()) {
      return session.Report(status);
    }
    if (peer.public_key() != private_key->DerivePublic().ToBase64()) {
      return session.Fail(
          ExitCode::kFailed,
          fmt::format("--private-key-file: it belongs to {}, and the hub has {} for this peer",
                      private_key->DerivePublic().ToBase64(), peer.public_key()));
    }
  }
  admin::v1::ExportPeerRequest request;
  request.set_name(name_);
  admin::v1::PeerExport exported;
  const grpc::Status status =
      session.Call<PeerService>(&PeerService::Stub::ExportPeer, request, &exported);
  if (!status.ok()) {
    return session.Report(status);
  }
  if (!is_qr_ && out_ == "-" && !private_key && PrintStructured(session, exported)) {
    return ExitCode::kOk;
  }
  const auto text = WgQuickText(exported, private_key ? &*private_key : nullptr, nullptr);
  if (!text.ok()) {
    return session.Fail(ExitCode::kFailed, MessageOf(text.status()));
  }
  if (is_qr_) {
    return PrintQrCode(text->view(), session.out())
               ? ExitCode::kOk
               : session.Fail(ExitCode::kFailed, "too much for one QR code; expected --out FILE");
  }
  if (out_ == "-") {
    session.out() << text->view();
    return ExitCode::kOk;
  }
  const absl::Status written = KeyFile::Write(out_, text->view(), is_force_);
  if (!written.ok()) {
    return session.Fail(ExitCode::kFailed, MessageOf(written));
  }
  session.err() << "wrote " << out_ << "\n";
  return ExitCode::kOk;
}

}  // namespace adit::cli
