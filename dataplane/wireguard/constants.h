#pragma once

#include <cstddef>
#include <cstdint>

#include "common/time.h"

// The protocol's constants (WireGuard paper 6.1; the kernel's messages.h and timers.c).
namespace adit::wireguard {

inline constexpr std::uint64_t kRekeyAfterMessages = std::uint64_t{1} << 60;
// 2^64 - 2^13 - 1: the replay window never wraps.
inline constexpr std::uint64_t kRejectAfterMessages = UINT64_MAX - (std::uint64_t{1} << 13);
inline constexpr Duration kRekeyAfterTime = seconds(120);
inline constexpr Duration kRejectAfterTime = seconds(180);
// Between initiations to one peer, and until an unanswered one is repeated.
inline constexpr Duration kRekeyTimeout = seconds(5);
inline constexpr Duration kMaxJitter = milliseconds(333);
// An initiation is repeated this often: 90 s and some jitter in all.
inline constexpr int kMaxRetransmits = 19;
inline constexpr Duration kKeepaliveTimeout = seconds(10);
// Data was sent and nothing authenticated came back: the session may be dead.
inline constexpr Duration kNewHandshakeTimeout = kKeepaliveTimeout + kRekeyTimeout;
inline constexpr Duration kZeroKeysTimeout = 3 * kRejectAfterTime;
// The initiator rekeys on receiving at this age, so that a one-way flow does not run into the end.
inline constexpr Duration kLastMinuteAge = kRejectAfterTime - kKeepaliveTimeout - kRekeyTimeout;
// At most 50 initiations a second are accepted from one peer.
inline constexpr Duration kMinInitiationGap = milliseconds(20);
inline constexpr Duration kCookieSecretLifetime = seconds(120);
// Five seconds less than the responder's secret lives, for the way there.
inline constexpr Duration kCookieLifetime = seconds(115);

}  // namespace adit::wireguard
