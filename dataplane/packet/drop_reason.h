#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

// Every reason for which the data plane drops a packet, in one list: enumerator and the text that
// counters, status and documents use. A drop is counted under exactly one of them.
namespace adit::packet {

#define ADIT_DROP_REASONS(X)                                                          \
  /* the packet itself */                                                             \
  X(kMalformed, "malformed") /* shorter than its headers say */                       \
  X(kTruncated, "truncated") /* a receive that did not fit its buffer */              \
  X(kUnknownVersion, "unknown_ip_version")                                            \
  X(kBadVirtioHeader, "bad_virtio_header") /* offsets outside the packet */           \
  X(kMappedAddress, "mapped_address")      /* ::ffff:0:0/96 or 4-in-6 */              \
  X(kFragmentWithoutFirst, "fragment_without_first")                                  \
  X(kTinyFragment, "tiny_fragment")         /* ports not in the first fragment */     \
  X(kExtensionHeaders, "extension_headers") /* too many, or malformed */              \
  /* WireGuard, received */                                                           \
  X(kUnknownMessage, "unknown_message") /* type or exact size wrong */                \
  X(kBadMac1, "bad_mac1")                                                             \
  X(kBadMac2, "bad_mac2") /* under load: answered by a cookie */                      \
  X(kHandshakeRateLimited, "handshake_rate_limited")                                  \
  X(kHandshakeQueueFull, "handshake_queue_full")                                      \
  X(kHandshakeFailed, "handshake_failed")     /* did not decrypt, or low-order key */ \
  X(kHandshakeReplayed, "handshake_replayed") /* timestamp not greater */             \
  X(kUnknownPeer, "unknown_peer")                                                     \
  X(kUnknownIndex, "unknown_receiver_index")                                          \
  X(kHandoverFull, "handover_full") /* for another shard, which is behind */          \
  X(kBadCookieReply, "bad_cookie_reply")                                              \
  X(kExpiredSession, "expired_session")                                               \
  X(kDecryptFailed, "decrypt_failed")                                                 \
  X(kReplayed, "replayed")                                                            \
  X(kSourceNotAllowed, "source_not_allowed") /* inner source of another peer */       \
  X(kEcnNotCapable, "ecn_not_capable")       /* congestion marked, inner Not-ECT */   \
  X(kOwnDatagram, "own_datagram")            /* our ciphertext routed into the TUN */ \
  /* toward a peer */                                                                 \
  X(kNoPeerForDestination, "no_peer_for_destination")                                 \
  X(kNoEndpoint, "no_endpoint")                                                       \
  X(kLinkDown, "link_down")                                                           \
  X(kNoPrivateKey, "no_private_key")                                                  \
  X(kStagedOverflow, "staged_overflow")    /* 128 wait for a handshake */             \
  X(kHandshakeGaveUp, "handshake_gave_up") /* staged until the attempts ended */      \
  X(kPeerRemoved, "peer_removed")                                                     \
  X(kTooLarge, "too_large")                                                           \
  /* access */                                                                        \
  X(kNoGrant, "no_grant") /* default deny */                                          \
  X(kGrantExpired, "grant_expired")                                                   \
  X(kFilterRefused, "filter_refused") /* protocol or port */                          \
  X(kNoFlow, "no_flow")               /* toward a peer, not opened by it */           \
  X(kFlowTableFull, "flow_table_full")                                                \
  /* output */                                                                        \
  X(kControlLaneFull, "control_lane_full")                                            \
  X(kSlowPathNoRoom, "slow_path_no_room") /* would take the TUN reserve */            \
  X(kUnderlayStuck, "underlay_stuck")                                                 \
  X(kSendRefused, "send_refused")        /* by the kernel; errno counted aside */     \
  X(kTunWriteFailed, "tun_write_failed") /* likewise */                               \
  X(kIcmpRateLimited, "icmp_rate_limited")

enum class DropReason : std::uint8_t {
#define ADIT_DROP_ENUMERATOR(name, text) name,
  ADIT_DROP_REASONS(ADIT_DROP_ENUMERATOR)
#undef ADIT_DROP_ENUMERATOR
};

inline constexpr std::array kDropReasonTexts = {
#define ADIT_DROP_TEXT(name, text) std::string_view(text),
    ADIT_DROP_REASONS(ADIT_DROP_TEXT)
#undef ADIT_DROP_TEXT
};
inline constexpr std::size_t kDropReasonCount = kDropReasonTexts.size();

[[nodiscard]] constexpr std::string_view TextOf(DropReason reason) {
  return kDropReasonTexts[static_cast<std::size_t>(reason)];
}

// Dropped packets by reason. Written by one thread; read by any with relaxed loads (see
// engine/counters.h for the published copy).
using DropCounts = std::array<std::uint64_t, kDropReasonCount>;

}  // namespace adit::packet
