#include "controlplane/cli/flag_checks.h"

#include "common/ip_address.h"
#include "common/key.h"
#include "common/status.h"

namespace adit::cli {

config::Check<std::string> IsPublicKey() {
  return [](const std::string& text) {
    const auto key = PublicKey::FromBase64(text);
    return key && !key->is_zero()
               ? absl::OkStatus()
               : InvalidArgument("expected a public key: 44 characters of base64");
  };
}

config::Check<std::string> IsHostPortOrNone() {
  return [](const std::string& text) {
    config::HostPort parsed;
    return text == "none" ? absl::OkStatus() : config::ParseValue(text, &parsed);
  };
}

config::Check<std::string> IsEndpointOrNone() {
  return [](const std::string& text) {
    const auto endpoint = Endpoint::Parse(text);
    return text == "none" || (endpoint && endpoint->port != 0)
               ? absl::OkStatus()
               : InvalidArgument("expected a numeric ADDRESS:PORT, or none");
  };
}

}  // namespace adit::cli
