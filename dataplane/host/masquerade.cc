#include "dataplane/host/masquerade.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/status.h"
#include "dataplane/host/interface_query.h"

namespace adit::host {
namespace {

constexpr unsigned kTcpOverIpv4 = 40;  // headers without options, RFC 9293 3.7.1
constexpr unsigned kTcpOverIpv6 = 60;

std::string SetDefinition(std::string_view name, std::string_view type,
                          const std::vector<AddressRange>& ranges) {
  std::string elements;
  for (const auto& [first, last] : ranges) {
    elements += elements.empty() ? "" : ", ";
    elements +=
        first == last ? first.ToString() : fmt::format("{}-{}", first.ToString(), last.ToString());
  }
  return fmt::format("  set {} {{ type {}; flags interval; {}}}\n", name, type,
                     elements.empty() ? "" : fmt::format("elements = {{ {} }}; ", elements));
}

std::string ClampRule(std::string_view direction, unsigned tun_index, std::string_view protocol,
                      unsigned size) {
  return fmt::format(
      "    {} {} meta nfproto {} tcp flags & (syn | rst) == syn tcp option maxseg size set {}\n",
      direction, tun_index, protocol, size);
}

std::string DropRule(std::string_view from, std::string_view protocol) {
  return fmt::format("    {} meta oifkind != \"tun\" meta nfproto {} counter drop\n", from,
                     protocol);
}

}  // namespace

std::string TableName(std::string_view interface_name) {
  std::string name = "adit_";
  for (const char c : interface_name) {
    const bool is_plain =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    name += is_plain ? std::string(1, c) : fmt::format("_{:02x}", static_cast<unsigned char>(c));
  }
  return name;
}

absl::StatusOr<Masquerade> Masquerade::Open(const std::string& tun_name) {
  ASSIGN_OR_RETURN(const unsigned index, InterfaceIndex(tun_name));
  ASSIGN_OR_RETURN(Nftables nftables, Nftables::Open());
  return Masquerade(std::move(nftables), TableName(tun_name), index);
}

Masquerade::Masquerade(Nftables nftables, std::string table, unsigned tun_index)
    : nftables_(std::move(nftables)), table_(std::move(table)), tun_index_(tun_index) {}

absl::Status Masquerade::Apply(const std::vector<ServedPrefix>& served, unsigned tun_mtu,
                               const OpenedForwarding& opened) {
  // Adding first makes the deletion valid whether or not the table is there.
  std::string commands =
      fmt::format("add table inet {0}\ndelete table inet {0}\ntable inet {0} {{\n", table_);
  commands += SetDefinition("nat4", "ipv4_addr", MasqueradedRanges(served, IpFamily::kV4));
  commands += SetDefinition("nat6", "ipv6_addr", MasqueradedRanges(served, IpFamily::kV6));
  commands += fmt::format(
      "  chain postrouting {{\n"
      "    type nat hook postrouting priority srcnat; policy accept;\n"
      "    iif {0} oif != {0} ip daddr @nat4 masquerade\n"
      "    iif {0} oif != {0} ip6 daddr @nat6 masquerade\n"
      "  }}\n"
      "  chain forward {{\n"
      "    type filter hook forward priority mangle; policy accept;\n",
      tun_index_);
  for (const unsigned index : opened.v4) {
    commands += DropRule(fmt::format("iif {}", index), "ipv4");
  }
  for (const unsigned index : opened.v6) {
    commands += DropRule(fmt::format("iif {}", index), "ipv6");
  }
  if (opened.all_v6) {
    commands += DropRule("meta iifkind != \"tun\"", "ipv6");
  }
  // The kernel only ever lowers the option, so what is smaller already stays.
  for (const std::string_view direction : {"iif", "oif"}) {
    commands += ClampRule(direction, tun_index_, "ipv4", tun_mtu - kTcpOverIpv4);
    commands += ClampRule(direction, tun_index_, "ipv6", tun_mtu - kTcpOverIpv6);
  }
  commands += "  }\n}\n";
  return Annotate(
      nftables_.Run(commands).status(),
      fmt::format("set nft table inet {} (does this kernel have nf_tables, nft_masq and "
                  "nft_exthdr? --host-setup off leaves NAT to you)",
                  table_));
}

absl::Status Masquerade::Remove() {
  return Annotate(
      nftables_.Run(fmt::format("add table inet {0}\ndelete table inet {0}\n", table_)).status(),
      fmt::format("delete nft table inet {}", table_));
}

}  // namespace adit::host
