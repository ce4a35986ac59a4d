#pragma once

#include <optional>
#include <string>

#include "controlplane/cli/command.h"

namespace adit::cli {

// peer export NAME [--out FILE] [--private-key-file F] [--qr] [--force]. Without the private key
// file the private key is left out; with it, it must be the one of the peer's public key.
class ExportPeer final : public Command {
 public:
  void Declare(config::Parser& parser) override;
  ExitCode Run(Session& session) override;

 private:
  std::string name_;
  std::string out_ = "-";
  bool is_qr_ = false;
  bool is_force_ = false;
  std::optional<std::string> private_key_file_;
};

}  // namespace adit::cli
