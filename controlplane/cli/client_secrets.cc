#include "controlplane/cli/client_secrets.h"

#include <fmt/format.h>

#include "common/status.h"
#include "controlplane/cli/flag_checks.h"
#include "controlplane/cli/qr_code.h"
#include "controlplane/cli/wg_quick_text.h"

namespace adit::cli {
namespace {

// One run of MakeClient.
class Maker {
 public:
  Maker(Session& session, const ClientFlags& client, const MutationFlags& flags, Mutated mutated)
      : session_(session), client_(client), flags_(flags), mutated_(std::move(mutated)) {}

  ExitCode Run(
      const std::function<grpc::Status(const ClientPublics&, admin::v1::PeerMutation*)>& call) {
    if (const std::string conflict = client_.Conflict(); !conflict.empty()) {
      return session_.Fail(ExitCode::kUsage, conflict);
    }
    if (const absl::Status prepared = Prepare(); !prepared.ok()) {
      return session_.Fail(absl::IsInvalidArgument(prepared) ? ExitCode::kUsage : ExitCode::kFailed,
                           MessageOf(prepared) + "; nothing is stored");
    }
    ClientPublics publics{
        .public_key = private_key_ ? private_key_->DerivePublic().ToBase64() : *client_.public_key,
        .preshared_key = std::nullopt};
    if (preshared_key_) {
      publics.preshared_key = std::string(preshared_key_->ToBase64().view());
    }
    admin::v1::PeerMutation mutation;
    const grpc::Status status = call(publics, &mutation);
    if (publics.preshared_key) {
      sodium_memzero(publics.preshared_key->data(), publics.preshared_key->size());
    }
    if (!status.ok()) {
      return AfterFailure(status);
    }
    const ExitCode written = flags_.is_dry_run ? ExitCode::kOk : Write(mutation);
    // The preshared key is in the file; what is printed is the rest.
    if (mutation.has_export_()) {
      mutation.mutable_export_()->clear_preshared_key();
    }
    mutated_.is_out_taken = is_out_taken_;
    const ExitCode finished =
        FinishMutation(session_, flags_, mutated_, mutation, mutation.result());
    return written == ExitCode::kOk ? finished : written;
  }

 private:
  // Keys and files, before anything is asked of the server.
  absl::Status Prepare() {
    if (client_.psk_file == "generate") {
      preshared_key_ = ClientKey::NewPreshared(session_.world().random);
    } else if (client_.psk_file) {
      auto key = ClientKey::ReadFile(*client_.psk_file, session_.world().in);
      if (!key.ok()) {
        return Annotate(key.status(), "--psk-file");
      }
      preshared_key_ = *std::move(key);
    }
    if (client_.out && *client_.out != "-") {
      ASSIGN_OR_RETURN(file_, KeyFile::Prepare(*client_.out, client_.is_force));
    }
    if (!client_.public_key) {
      private_key_ = ClientKey::NewPrivate(session_.world().random);
      if (file_ && !flags_.is_dry_run) {
        return file_->KeepKey(*private_key_);
      }
    }
    return absl::OkStatus();
  }

  ExitCode AfterFailure(const grpc::Status& status) {
    const ExitCode code = FailMutation(session_, flags_, mutated_, status);
    if (!IsOutcomeUnknown(session_, flags_, status)) {
      if (file_) {
        file_->Abandon();
      }
    } else if (private_key_) {
      session_.Complain(
          file_ ? fmt::format("the private key of {} is kept in {}: if the hub has that public "
                              "key, aditctl peer export {} --private-key-file {} --out {} makes "
                              "the file; else remove it",
                              private_key_->DerivePublic().ToBase64(), file_->pending_path(),
                              mutated_.name, file_->pending_path(), file_->path())
                : fmt::format("the private key was not shown and is gone: if it is stored, "
                              "aditctl peer rotate {} makes another",
                              mutated_.name));
    }
    return code;
  }

  ExitCode Write(const admin::v1::PeerMutation& mutation) {
    const bool is_wanted = client_.out || client_.is_qr;
    if (!is_wanted) {
      return ExitCode::kOk;
    }
    const auto text = WgQuickText(mutation.export_(), private_key_ ? &*private_key_ : nullptr,
                                  preshared_key_ ? &*preshared_key_ : nullptr);
    absl::Status written = text.status();
    if (written.ok() && file_) {
      written = file_->Complete(text->view());
    }
    if (!written.ok()) {
      session_.Complain(fmt::format(
          "it is stored, but its file was not written: {}{}", MessageOf(written),
          file_ && private_key_
              ? fmt::format("; its private key is in {}, and aditctl peer export {} "
                            "--private-key-file makes the file",
                            file_->pending_path(), mutated_.name)
              : fmt::format("; aditctl peer rotate {} makes another key", mutated_.name)));
      return ExitCode::kFailed;
    }
    if (file_) {
      session_.err() << "wrote " << file_->path() << "\n";
    }
    if (client_.out == "-") {
      session_.out() << text->view();
      is_out_taken_ = true;
    }
    if (client_.is_qr) {
      is_out_taken_ = true;
      if (!PrintQrCode(text->view(), session_.out())) {
        session_.Complain("too much for one QR code; this is its text");
        session_.out() << text->view();
      }
    }
    return ExitCode::kOk;
  }

  Session& session_;
  const ClientFlags& client_;
  const MutationFlags& flags_;
  Mutated mutated_;
  std::optional<ClientKey> private_key_;
  std::optional<ClientKey> preshared_key_;
  std::optional<KeyFile> file_;
  bool is_out_taken_ = false;
};

}  // namespace

void ClientFlags::Declare(config::Parser& parser) {
  parser.Flag("out", &out, "FILE", "write the client's wg-quick file; - is standard output")
      .CommandLineOnly();
  parser.Switch("qr", &is_qr, "show it as a QR code").CommandLineOnly();
  parser
      .Flag("public-key", &public_key, "KEY", "the client made its own key; it stays there",
            IsPublicKey())
      .CommandLineOnly();
  parser
      .Flag("psk-file", &psk_file, "FILE", "a preshared key as wg genpsk prints it, or generate",
            config::NotEmpty())
      .CommandLineOnly();
  parser.Switch("force", &is_force, "--out may replace a file").CommandLineOnly();
}

std::string ClientFlags::Conflict() const {
  if (!out && !is_qr && !public_key) {
    return "expected --out FILE, --qr or --public-key KEY: nowhere else is the private key kept";
  }
  if (is_qr && public_key) {
    return "--qr: expected without --public-key: a code without its private key is of no use";
  }
  return {};
}

ExitCode MakeClient(
    Session& session, const ClientFlags& client, const MutationFlags& flags, Mutated mutated,
    const std::function<grpc::Status(const ClientPublics&, admin::v1::PeerMutation*)>& call) {
  return Maker(session, client, flags, std::move(mutated)).Run(call);
}

}  // namespace adit::cli
