#pragma once

#include <compare>
#include <string>

namespace adit::host {

// A setting of the host that keeps traffic from passing, and what to do. The data plane runs on
// with it; `status` and the log show it.
struct HostProblem {
  std::string setting;  // "net.ipv4.conf.eth0.forwarding", "nft chain ip filter FORWARD"
  std::string remedy;   // a sentence an operator can follow
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 reads a null pointer into it
  friend auto operator<=>(const HostProblem&, const HostProblem&) = default;
};

}  // namespace adit::host
