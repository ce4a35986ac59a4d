#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/ip_address.h"
#include "dataplane/host/forwarding.h"
#include "dataplane/host/nftables.h"
#include "dataplane/host/served_prefix.h"

namespace adit::host {

// "adit_" and the interface's name, every character but letters and digits as "_" and two hex
// digits, so that different interfaces have different tables and nft's language can say them.
[[nodiscard]] std::string TableName(std::string_view interface_name);

// The addresses of one family to masquerade, as disjoint sorted inclusive ranges: those whose most
// specific prefix has nat. A prefix given both with and without is masqueraded.
using AddressRange = std::pair<IpAddress, IpAddress>;
[[nodiscard]] std::vector<AddressRange> MasqueradedRanges(const std::vector<ServedPrefix>& served,
                                                          IpFamily family);

// One nftables table of our own, `inet adit_IFNAME`: what comes from our TUN and leaves by another
// interface toward a served prefix with NAT gets that interface's address, and TCP connections
// through the TUN agree on segments that fit it (MSS clamping). It drops what would be forwarded
// only because forwarding was switched on for us (OpenedForwarding), and nothing else; tunnels, of
// another data plane perhaps, are left out.
//
// The table is replaced as a whole in one transaction, so a killed process's leftover too; no
// packet sees a half. Thread: one at a time. Works after the uid is dropped (needs CAP_NET_ADMIN
// only).
class Masquerade {
 public:
  // The interface must exist; rules name it by index.
  [[nodiscard]] static absl::StatusOr<Masquerade> Open(const std::string& tun_name);

  // `tun_mtu` is at least 576. The error says what to do and leaves the table as it was.
  [[nodiscard]] absl::Status Apply(const std::vector<ServedPrefix>& served, unsigned tun_mtu,
                                   const OpenedForwarding& opened = {});
  // OK when there is no table.
  [[nodiscard]] absl::Status Remove();

 private:
  Masquerade(Nftables nftables, std::string table, unsigned tun_index);

  Nftables nftables_;
  std::string table_;
  unsigned tun_index_;
};

}  // namespace adit::host
