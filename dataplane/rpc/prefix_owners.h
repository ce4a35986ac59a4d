#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "common/ip_address.h"
#include "common/key.h"

namespace adit::rpc {

// Which peer holds which tunnel prefix, so that an overlap between two peers is found before it is
// applied, in time that does not grow with the number of peers. Prefixes of one owner may nest.
class PrefixOwners {
 public:
  using Held = std::pair<IpPrefix, PublicKey>;

  // A prefix of another owner that overlaps.
  [[nodiscard]] std::optional<Held> FindOverlap(const IpPrefix& prefix,
                                                const PublicKey& owner) const;
  // The exact prefix must not be held by anybody.
  void Insert(const IpPrefix& prefix, const PublicKey& owner);
  void Erase(const IpPrefix& prefix);
  [[nodiscard]] std::size_t size() const { return owners_.size(); }

 private:
  using LengthCounts = std::array<std::uint32_t, 129>;
  [[nodiscard]] const LengthCounts& LengthsOf(IpFamily family) const {
    return family == IpFamily::kV4 ? v4_lengths_ : v6_lengths_;
  }
  LengthCounts& LengthsOf(IpFamily family) {
    return family == IpFamily::kV4 ? v4_lengths_ : v6_lengths_;
  }

  std::map<IpPrefix, PublicKey> owners_;
  LengthCounts v4_lengths_{};  // how many prefixes of each length there are
  LengthCounts v6_lengths_{};
};

}  // namespace adit::rpc
