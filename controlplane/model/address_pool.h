#pragma once

#include <cstdint>
#include <optional>
#include <set>

#include <absl/status/statusor.h>

#include "controlplane/model/network.h"

namespace adit::model {

// Gives out tunnel addresses: the same offset in both families (100.64.0.7 goes with
// fd00:2021:1111::7), the lowest that nobody holds. Never given out: the network's own address and
// the last one of a range, and what lies in the ranges of DNS resources and their sentinels.
class AddressPool {
 public:
  explicit AddressPool(const Network& network);

  // Does not hold them yet. RESOURCE_EXHAUSTED when every address is held.
  [[nodiscard]] absl::StatusOr<TunnelAddresses> Next() const;
  // False when the addresses are not a pair of this network or already held: nothing changed.
  [[nodiscard]] bool Hold(const TunnelAddresses& addresses);
  void Release(const TunnelAddresses& addresses);
  [[nodiscard]] std::size_t held() const { return held_.size(); }

 private:
  [[nodiscard]] TunnelAddresses At(std::uint64_t offset) const;
  [[nodiscard]] std::optional<std::uint64_t> OffsetOf(const TunnelAddresses& addresses) const;

  Network network_;
  std::uint64_t size_;                   // addresses of the smaller range
  std::set<std::uint64_t> held_;         // offsets
  std::uint64_t lowest_maybe_free_ = 1;  // every usable offset below is held
};

}  // namespace adit::model
