#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>

#include "common/ip_address.h"
#include "common/time.h"
#include "dataplane/io/gso_send.h"

// What the kernel's refusals mean (sendmsg(2), udp(7), ip(7)) and what is remembered of them.
namespace adit::io {

// How the datagram that was refused had been sent.
struct Attempt {
  bool used_gso = false;
  bool has_source = false;      // IP_PKTINFO named a source address or an interface
  bool was_sent_again = false;  // kSendAgain was tried, and nothing was sent since
};

// Every remedy but the waits changes the next attempt, so that a batch is sent, waits or is dropped
// after a few of them.
[[nodiscard]] Remedy RemedyFor(int error, const Attempt& attempt);

// Where GSO is off, and which refusals have been reported. Bounded: the destination that would be
// forgiven soonest makes room, and is learned again when it refuses again.
class RefusalMemory {
 public:
  static constexpr Duration kDestinationOffTime = seconds(60);
  static constexpr std::size_t kMaxDestinations = 64;

  [[nodiscard]] bool AllowsGso(const IpAddress& destination, Instant now);
  void TurnGsoOffTo(const IpAddress& destination, Instant now);
  void TurnGsoOffOnSocket(IpFamily family) { is_off_on_socket_[IndexOf(family)] = true; }

  // True once for each (errno, remedy).
  [[nodiscard]] bool IsFirst(int error, Remedy remedy);

  void HandleRouteEvent();
  void HandleSocketReplaced(IpFamily family, bool bears_gso) {
    bears_gso_[IndexOf(family)] = bears_gso;
    is_off_on_socket_[IndexOf(family)] = false;
  }

 private:
  struct Destination {
    IpAddress address;
    Instant off_until;
  };
  // Unordered; the first destination_count_ are in use.
  std::array<Destination, kMaxDestinations> destinations_;
  std::size_t destination_count_ = 0;
  std::array<bool, kFamilyCount> bears_gso_ = {true, true};
  std::array<bool, kFamilyCount> is_off_on_socket_{};  // learned
  std::bitset<GsoCounters::kErrnoCount * kRemedyCount> reported_;
};

// The index of an errno in GsoCounters::refused_by_errno.
[[nodiscard]] constexpr std::size_t ErrnoIndex(int error) {
  const bool is_known = error > 0 && error < static_cast<int>(GsoCounters::kErrnoCount);
  return is_known ? static_cast<std::size_t>(error) : 0;
}

}  // namespace adit::io
