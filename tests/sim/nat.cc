#include "tests/sim/nat.h"

#include <algorithm>

namespace adit::sim {

Nat::Key Nat::KeyOf(const Endpoint& inside, const Endpoint& remote) const {
  const bool depends = options_.mapping == NatOptions::Mapping::kAddressAndPortDependent;
  return {inside, depends ? remote : Endpoint()};
}

std::uint16_t Nat::FreePort() {
  for (;;) {
    const auto port = static_cast<std::uint16_t>(1024 + random_.Below(64'000));
    const bool is_taken = std::ranges::any_of(
        mappings_, [&](const auto& entry) { return entry.second.port == port; });
    if (!is_taken) {
      return port;
    }
  }
}

Endpoint Nat::TranslateOut(const Endpoint& inside, const Endpoint& remote, Instant now) {
  std::erase_if(mappings_,
                [&](const auto& entry) { return !IsAlive(entry.second.last_used, now); });
  const Key key = KeyOf(inside, remote);
  auto at = mappings_.find(key);
  if (at == mappings_.end()) {
    const std::uint16_t port = FreePort();
    at = mappings_.emplace(key, Mapping{port, now, {}}).first;
  }
  at->second.last_used = now;
  at->second.sent_to[remote] = now;
  return {address_, at->second.port, 0};
}

bool Nat::Admits(const Mapping& mapping, const Endpoint& remote, Instant now) const {
  switch (options_.filtering) {
    case NatOptions::Filtering::kEndpointIndependent:
      return true;
    case NatOptions::Filtering::kAddressDependent:
      return std::ranges::any_of(mapping.sent_to, [&](const auto& sent) {
        return sent.first.address == remote.address && IsAlive(sent.second, now);
      });
    case NatOptions::Filtering::kAddressAndPortDependent: {
      const auto sent = mapping.sent_to.find(remote);
      return sent != mapping.sent_to.end() && IsAlive(sent->second, now);
    }
  }
  return false;
}

std::optional<Endpoint> Nat::TranslateIn(std::uint16_t port, const Endpoint& remote, Instant now) {
  for (auto& [key, mapping] : mappings_) {
    const bool is_it = mapping.port == port && IsAlive(mapping.last_used, now) &&
                       (!key.second.is_set() || key.second == remote);
    if (!is_it || !Admits(mapping, remote, now)) {
      continue;
    }
    if (options_.inbound_refreshes) {
      mapping.last_used = now;
      if (const auto sent = mapping.sent_to.find(remote); sent != mapping.sent_to.end()) {
        sent->second = now;
      }
    }
    return key.first;
  }
  return std::nullopt;
}

}  // namespace adit::sim
