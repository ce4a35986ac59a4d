#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "common/ip_address.h"
#include "common/time.h"
#include "tests/support/seeded_random.h"

namespace adit::sim {

// How a NAT behaves, in the terms of RFC 4787.
struct NatOptions {
  enum class Mapping : std::uint8_t { kEndpointIndependent, kAddressAndPortDependent };  // 4.1
  enum class Filtering : std::uint8_t {  // section 5
    kEndpointIndependent,
    kAddressDependent,
    kAddressAndPortDependent
  };
  Mapping mapping = Mapping::kEndpointIndependent;
  Filtering filtering = Filtering::kAddressAndPortDependent;
  Duration lifetime = seconds(120);  // of an idle mapping; outgoing datagrams refresh it (REQ-6)
  bool inbound_refreshes = false;    // and incoming ones where this is set
};

// A network address translator: inside endpoints get ports of its one public address. No hairpin.
class Nat {
 public:
  Nat(const NatOptions& options, const IpAddress& address, std::uint64_t seed)
      : options_(options), address_(address), random_(seed) {}

  // A datagram leaves: as which endpoint the outside sees it.
  Endpoint TranslateOut(const Endpoint& inside, const Endpoint& remote, Instant now);
  // One arrives at a port of ours: for whom it is; nullopt when nobody or the filter refuses.
  [[nodiscard]] std::optional<Endpoint> TranslateIn(std::uint16_t port, const Endpoint& remote,
                                                    Instant now);
  // Power cycled: every mapping is forgotten, other ports are given from here on.
  void Rebind() { mappings_.clear(); }

  [[nodiscard]] const IpAddress& address() const { return address_; }
  [[nodiscard]] std::size_t mapping_count() const { return mappings_.size(); }

 private:
  struct Mapping {
    std::uint16_t port = 0;
    Instant last_used;
    std::map<Endpoint, Instant> sent_to;  // and when last: what filters ask
  };
  using Key = std::pair<Endpoint, Endpoint>;  // inside, and the remote where mappings depend on it

  [[nodiscard]] Key KeyOf(const Endpoint& inside, const Endpoint& remote) const;
  [[nodiscard]] bool IsAlive(Instant last_used, Instant now) const {
    return now - last_used < options_.lifetime;
  }
  [[nodiscard]] bool Admits(const Mapping& mapping, const Endpoint& remote, Instant now) const;
  [[nodiscard]] std::uint16_t FreePort();

  const NatOptions options_;
  const IpAddress address_;
  testing::SeededRandom random_;
  std::map<Key, Mapping> mappings_;
};

}  // namespace adit::sim
