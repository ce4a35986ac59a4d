#include "dataplane/wireguard/session.h"

#include "dataplane/wireguard/constants.h"

namespace adit::wireguard {

std::optional<std::uint64_t> Session::ReserveCounters(std::uint32_t count) {
  if (send_counter >= kRejectAfterMessages || kRejectAfterMessages - send_counter < count) {
    return std::nullopt;
  }
  const std::uint64_t first = send_counter;
  send_counter += count;
  return first;
}

bool Session::IsFresh(Instant now) const { return now - created < kRejectAfterTime; }

}  // namespace adit::wireguard
