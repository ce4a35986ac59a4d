#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "common/key.h"
#include "common/random.h"
#include "common/time.h"
#include "dataplane/crypto/secret_arena.h"
#include "dataplane/packet/drop_reason.h"
#include "dataplane/wireguard/initiation.h"
#include "dataplane/wireguard/key_slots.h"
#include "dataplane/wireguard/local_identity.h"
#include "dataplane/wireguard/messages.h"
#include "dataplane/wireguard/noise_state.h"
#include "dataplane/wireguard/receiver_index.h"
#include "dataplane/wireguard/session.h"
#include "dataplane/wireguard/session_pool.h"
#include "dataplane/wireguard/tai64n.h"
#include "dataplane/wireguard/timers.h"

namespace adit::wireguard {

// What peers of one shard share. Borrowed; outlives every peer.
struct PeerContext {
  LocalIdentity& identity;
  ReceiverIndexTable& indices;
  SessionPool& sessions;
  crypto::SecretArena& arena;
  RandomSource& random;
  Tai64nSource& timestamps;
};

// The WireGuard protocol with one peer, sans-IO: handshakes both ways, key slots, cookies, timers.
// It holds no endpoint, no packets and no socket: the engine stages packets, seals and opens
// transport data with the sessions this hands out, and keeps the endpoint.
//
// The contract, as a loop. After every input the engine drains the outputs:
//   1. input: RequestHandshake, HandleOpenedInitiation, HandleResponse, HandleCookieReply,
//      OnAuthenticated, OnDataSent, OnKeepaliveSent, HandleTimeout, or a Set* call;
//   2. outputs: while PollInitiation(...) writes one, send it; if PollKeepalive() is true send an
//      empty packet; then re-arm at NextTimeout().
//
// Thread: the shard's. Allocates nothing after construction (sessions come from the pool).
class Peer {
 public:
  // id is the engine's peer slot, for its own use.
  Peer(PeerContext& context, const PublicKey& remote, std::uint32_t id);
  ~Peer();  // all keys zeroed, all indices freed
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  [[nodiscard]] std::uint32_t id() const { return id_; }
  [[nodiscard]] const PublicKey& remote() const { return remote_; }

  // --- configuration
  // Affects the next handshake only; the live session is kept (R13). nullopt clears. False: the
  // key arena is full, nothing changed.
  [[nodiscard]] bool SetPresharedKey(std::optional<std::span<const std::uint8_t, 32>> key);
  [[nodiscard]] bool has_preshared_key() const;
  [[nodiscard]] std::span<const std::uint8_t, 32> preshared_key() const;  // zeros when none
  // 0 turns it off. A change makes a keepalive due at once when the device is up and a key is
  // present (R9); the same value again changes nothing.
  void SetPersistentKeepalive(std::uint16_t interval_seconds, Instant now);
  [[nodiscard]] std::uint16_t persistent_keepalive() const;
  // The own private key changed: no current session may send any more, handshakes are cleared,
  // cached results recomputed (R13).
  void OnIdentityChanged();
  // The interface goes down (R14): timers stopped, handshake and keys erased.
  void Clear();
  // The greatest timestamp accepted from the peer, kept across restarts by the state file.
  [[nodiscard]] const Tai64n& greatest_timestamp() const;
  // Of ours, the last it was given; for Tai64nSource::Retire.
  [[nodiscard]] WallTime last_timestamp() const { return last_timestamp_; }
  void RestoreGreatestTimestamp(const Tai64n& timestamp);

  // --- sending data
  // The session to send under, or nullptr: then the packet is staged and RequestHandshake called.
  // A session past REJECT_AFTER_TIME or out of counters is not handed out (R8).
  [[nodiscard]] Session* SendSession(Instant now);
  // A packet waits: an initiation is wanted, unless one is under way (then its retransmit is).
  // Restarts the attempt counter (R11); at most one initiation every REKEY_TIMEOUT is sent.
  void RequestHandshake(Instant now);
  // Data (not keepalives) was sent under the session. Arms the new-handshake timer; wants a rekey
  // when the initiator's session is past REKEY_AFTER_TIME or REKEY_AFTER_MESSAGES (R10).
  void OnDataSent(const Session& session, Instant now);
  void OnKeepaliveSent(const Session& session, Instant now);

  // --- receiving transport data
  // The packet was opened and its counter accepted (R7: after AEAD, after the window). Promotes a
  // next session (R4), runs the timers (R9, R10). True: a session became usable for sending, so
  // staged packets can go.
  [[nodiscard]] bool OnAuthenticated(Session& session, bool is_data, Instant now);

  // --- handshakes
  // Writes an initiation (fresh ephemeral and timestamp, mac1, mac2 when a cookie is held) when one
  // is due; false otherwise. Sets the retransmit timer. Without a private key nothing is wanted.
  [[nodiscard]] bool PollInitiation(Now now, std::span<std::uint8_t, kInitiationSize> out);
  // An initiation from this peer (its static key is remote()): rule R2 from `ss` on. On success
  // writes the response; the new session is in the next slot. The failure reasons leave all state
  // untouched: kHandshakeFailed, kHandshakeReplayed (timestamp), kHandshakeRateLimited (< 20 ms).
  [[nodiscard]] std::optional<packet::DropReason> HandleOpenedInitiation(
      const OpenedInitiation& initiation, Now now, std::span<std::uint8_t, kResponseSize> out);
  // A response of exact size whose receiver index is this peer's handshake (R3). On success the
  // session is current; the engine sends staged packets or, when there are none, a keepalive.
  // Failure leaves the pending handshake untouched.
  [[nodiscard]] std::optional<packet::DropReason> HandleResponse(ByteSpan message, Now now);
  // A cookie reply whose receiver index is this peer's (R12): used by the next retransmit.
  [[nodiscard]] std::optional<packet::DropReason> HandleCookieReply(ByteSpan message, Instant now);

  // --- timers
  [[nodiscard]] Instant NextTimeout() const;  // Instant::Max() when nothing is armed
  struct TimeoutResult {
    bool gave_up = false;       // handshake attempts ended: staged packets are purged (R11)
    bool clear_source = false;  // retransmit: the sticky source address is forgotten (R11)
  };
  [[nodiscard]] TimeoutResult HandleTimeout(Now now);
  // True once when a keepalive is due (passive, persistent, or key confirmation). The engine sends
  // an empty packet if SendSession gives one, else calls RequestHandshake.
  [[nodiscard]] bool PollKeepalive();

  // --- state for display
  // When the last handshake was completed: as a responder, one that the initiator has confirmed.
  [[nodiscard]] std::optional<WallTime> last_handshake() const;
  [[nodiscard]] bool has_session(Instant now) const;  // one that may send or receive
  [[nodiscard]] std::size_t session_count() const;    // 0 to 3: previous, current, next

 private:
  // A handshake we began: what the response is opened with. Keys in the arena.
  struct PendingHandshake {
    bool is_open = false;
    std::uint32_t local_index = 0;
    crypto::ArenaKey ephemeral;
    crypto::ArenaKey chaining_key;
    crypto::Hash hash{};
  };

  // The cookie the other side gave us (R12).
  struct HeldCookie {
    bool is_held = false;
    Instant received;
    crypto::Mac cookie{};
    bool has_sent_mac1 = false;  // since the last cookie: only then is a reply expected
    crypto::Mac last_mac1{};
  };

  [[nodiscard]] const crypto::ArenaKey* StaticStatic();
  void AppendMacs(MutableByteSpan message, Instant now);
  void DropPending();
  [[nodiscard]] Session* MakeSession(std::uint32_t local_index, std::uint32_t remote_index,
                                     bool is_initiator, const NoiseState& noise, Instant now);
  bool WriteInitiation(Now now, std::span<std::uint8_t, kInitiationSize> out);
  void WantInitiation(bool is_retry);
  void OnSessionDerived(Now now);
  [[nodiscard]] Duration Jitter();
  [[nodiscard]] Duration PersistentInterval() const { return seconds(persistent_keepalive_); }

  PeerContext& context_;
  const PublicKey remote_;
  const std::uint32_t id_;
  crypto::Hash remote_mac1_key_{};
  crypto::Hash remote_cookie_key_{};

  crypto::ArenaKey preshared_key_;
  crypto::ArenaKey static_static_;
  std::uint64_t static_static_generation_ = 0;

  KeySlots slots_;
  PendingHandshake pending_;
  HeldCookie cookie_;
  Timers timers_;
  Tai64n greatest_timestamp_{};
  WallTime last_timestamp_;
  std::optional<Instant> last_initiation_accepted_;
  std::optional<Instant> last_initiation_sent_;
  std::optional<WallTime> responded_;  // when the next session was made
  std::optional<WallTime> last_handshake_;
  int retransmits_ = 0;
  bool wants_initiation_ = false;
  bool keepalive_due_ = false;
  std::uint16_t persistent_keepalive_ = 0;
};

}  // namespace adit::wireguard
