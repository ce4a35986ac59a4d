#include "controlplane/cli/allow_flag.h"

#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "common/config/values.h"
#include "common/status.h"

namespace adit::cli {
namespace {

using admin::v1::Allow;

absl::Status Expected(std::string_view value) {
  return InvalidArgument(fmt::format(
      "--allow: \"{}\": expected all, icmp, or tcp: or udp: with ports, as in tcp:443,8000-8100",
      value));
}

struct Ports {
  std::uint16_t first = 0;
  std::uint16_t last = 0;
};

std::optional<Ports> ParsePorts(std::string_view text) {
  const std::size_t dash = text.find('-');
  Ports ports;
  if (!config::ParseValue(text.substr(0, dash), &ports.first).ok()) {
    return std::nullopt;
  }
  ports.last = ports.first;
  if (dash != std::string_view::npos &&
      !config::ParseValue(text.substr(dash + 1), &ports.last).ok()) {
    return std::nullopt;
  }
  const bool is_range = ports.first >= 1 && ports.first <= ports.last;
  return is_range ? std::optional(ports) : std::nullopt;
}

absl::Status AddValue(std::string_view value, admin::v1::Resource* resource) {
  if (value == "icmp") {
    resource->add_allow()->set_protocol(Allow::ICMP);
    return absl::OkStatus();
  }
  const std::string_view protocol = value.substr(0, value.find(':'));
  if ((protocol != "tcp" && protocol != "udp") || protocol.size() == value.size()) {
    return Expected(value);
  }
  std::string_view list = value.substr(protocol.size() + 1);
  while (true) {
    const std::size_t comma = list.find(',');
    const auto ports = ParsePorts(list.substr(0, comma));
    if (!ports) {
      return Expected(value);
    }
    Allow* allow = resource->add_allow();
    allow->set_protocol(protocol == "tcp" ? Allow::TCP : Allow::UDP);
    allow->set_first_port(ports->first);
    allow->set_last_port(ports->last);
    if (comma == std::string_view::npos) {
      return absl::OkStatus();
    }
    list.remove_prefix(comma + 1);
  }
}

std::string_view NameOf(Allow::Protocol protocol) {
  switch (protocol) {
    case Allow::TCP:
      return "tcp";
    case Allow::UDP:
      return "udp";
    case Allow::ICMP:
      return "icmp";
    default:
      return "unknown";
  }
}

}  // namespace

absl::Status FillAllow(const std::vector<std::string>& values, admin::v1::Resource* resource) {
  resource->clear_allow();
  resource->set_allow_all(false);
  if (values.empty()) {
    return InvalidArgument(
        "--allow: missing; nothing is allowed by leaving it out: expected --allow tcp:443, "
        "--allow icmp or, for everything, --allow all");
  }
  for (const std::string& value : values) {
    if (value == "all") {
      if (values.size() > 1) {
        return InvalidArgument("--allow: \"all\": expected it alone, or ports and protocols");
      }
      resource->set_allow_all(true);
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(AddValue(value, resource));
  }
  return absl::OkStatus();
}

std::string FormatAllow(const admin::v1::Resource& resource) {
  if (resource.allow_all()) {
    return "all";
  }
  std::string text;
  Allow::Protocol last = Allow::PROTOCOL_UNSPECIFIED;
  for (const Allow& allow : resource.allow()) {
    const bool has_ports = allow.protocol() != Allow::ICMP;
    const bool continues = has_ports && allow.protocol() == last;
    if (!continues) {
      text += fmt::format("{}{}{}", text.empty() ? "" : " ", NameOf(allow.protocol()),
                          has_ports ? ":" : "");
    }
    if (has_ports) {
      text += fmt::format("{}{}", continues ? "," : "", allow.first_port());
      if (allow.last_port() != allow.first_port()) {
        text += fmt::format("-{}", allow.last_port());
      }
    }
    last = allow.protocol();
  }
  return text;
}

}  // namespace adit::cli
