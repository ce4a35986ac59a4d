#include "controlplane/cli/wg_quick_text.h"

#include <string>
#include <string_view>

#include <fmt/format.h>

#include "common/config/values.h"
#include "common/ip_address.h"
#include "common/key.h"
#include "common/status.h"

namespace adit::cli {
namespace {

absl::Status Unusable(std::string_view field) {
  return Internal(fmt::format("the server's {} cannot be written to a wg-quick file", field));
}

// "a, b", each printed from its parsed value.
template <typename Strings>
absl::StatusOr<std::string> Prefixes(std::string_view field, const Strings& prefixes) {
  std::string joined;
  for (const std::string& text : prefixes) {
    const auto prefix = IpPrefix::Parse(text);
    if (!prefix) {
      return Unusable(field);
    }
    joined += (joined.empty() ? "" : ", ") + prefix->ToString();
  }
  return joined.empty() ? absl::StatusOr<std::string>(Unusable(field)) : joined;
}

}  // namespace

absl::StatusOr<SecretText> WgQuickText(const admin::v1::PeerExport& exported,
                                       const ClientKey* private_key,
                                       const ClientKey* preshared_key) {
  ASSIGN_OR_RETURN(const std::string addresses, Prefixes("address", exported.addresses()));
  ASSIGN_OR_RETURN(const std::string allowed_ips, Prefixes("allowed IPs", exported.allowed_ips()));
  const auto gateway_key = PublicKey::FromBase64(exported.gateway_public_key());
  config::HostPort endpoint;
  if (!gateway_key) {
    return Unusable("gateway key");
  }
  if (!config::ParseValue(exported.gateway_endpoint(), &endpoint).ok() || endpoint.port == 0) {
    return Unusable("gateway endpoint");
  }
  SecretText text;
  text += "[Interface]\n";
  if (private_key != nullptr) {
    text += "PrivateKey = ";
    text += private_key->ToBase64().view();
    text += "\n";
  } else {
    text += "# PrivateKey = the one that only this client has\n";
  }
  text += fmt::format("Address = {}\nMTU = {}\n\n[Peer]\nPublicKey = {}\n", addresses,
                      exported.mtu(), gateway_key->ToBase64());
  if (preshared_key != nullptr) {
    text += "PresharedKey = ";
    text += preshared_key->ToBase64().view();
    text += "\n";
  } else if (exported.has_preshared_key()) {
    const auto key = ClientKey::Parse(exported.preshared_key());
    if (!key.ok()) {
      return Unusable("preshared key");
    }
    text += "PresharedKey = ";
    text += key->ToBase64().view();
    text += "\n";
  }
  text +=
      fmt::format("AllowedIPs = {}\nEndpoint = {}\n", allowed_ips, config::FormatValue(endpoint));
  if (exported.persistent_keepalive() != 0) {
    text += fmt::format("PersistentKeepalive = {}\n", exported.persistent_keepalive());
  }
  return text;
}

}  // namespace adit::cli
