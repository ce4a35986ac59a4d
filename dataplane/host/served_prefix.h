#pragma once

#include <compare>

#include "common/ip_address.h"

namespace adit::host {

// A destination behind this gateway. With `nat` the resource sees the gateway's address, without it
// the client's.
struct ServedPrefix {
  IpPrefix prefix;
  bool nat = true;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 reads a null pointer into it
  friend auto operator<=>(const ServedPrefix&, const ServedPrefix&) = default;
};

}  // namespace adit::host
