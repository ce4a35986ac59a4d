#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/ip_address.h"
#include "common/key.h"
#include "common/time.h"
#include "dataplane/crypto/secret.h"
#include "dataplane/packet/drop_reason.h"
#include "dataplane/wireguard/tai64n.h"

// The engine's plain outputs: state copied out for status, UAPI and the state file.
namespace adit::engine {

// kActivity leaves out what is configured (preshared key, allowed IPs): what is asked of very many
// peers every second allocates nothing for each.
enum class ReportDetail : std::uint8_t { kAll, kActivity };

struct PeerReport {
  PublicKey public_key;
  crypto::SymmetricKey preshared_key;  // zero when none; only UAPI `get` by uid 0 prints it
  bool has_preshared_key = false;
  std::optional<Endpoint> endpoint;
  std::uint16_t persistent_keepalive = 0;
  std::optional<WallTime> last_handshake;
  std::uint64_t received_bytes = 0;  // of authenticated datagrams, as `wg show` counts
  std::uint64_t sent_bytes = 0;
  std::uint64_t refused_packets = 0;  // by access rules, either direction
  std::vector<IpPrefix> allowed_ips;
  wireguard::Tai64n greatest_timestamp{};
  std::uint32_t garbled_trains = 0;  // times that TrainWatch said so
  Instant last_data;                 // sent or received; zero: never
};

// What came in (tun_packets, datagrams_received) or was made here (own_packets) is staged or waits
// in the handshake queue, or was counted once as delivered_packets, keepalives_received,
// handshakes_answered, handshakes_completed, cookies_accepted, datagrams_sealed or one of drops.
// Handshakes and cookie replies we make are outside that sum; the control lane may drop them.
struct Counters {
  std::uint64_t tun_packets = 0;  // read from TUN, segments counted singly
  std::uint64_t tun_bytes = 0;
  std::uint64_t own_packets = 0;        // keepalives and ICMP errors toward peers
  std::uint64_t delivered_packets = 0;  // given to the TUN
  std::uint64_t delivered_bytes = 0;
  std::uint64_t datagrams_received = 0;
  std::uint64_t datagrams_sealed = 0;
  std::uint64_t keepalives_received = 0;
  std::uint64_t handshakes_initiated = 0;
  std::uint64_t handshakes_answered = 0;
  std::uint64_t handshakes_completed = 0;  // of those initiated
  std::uint64_t cookies_accepted = 0;
  std::uint64_t cookie_replies_sent = 0;
  std::uint64_t icmp_errors_sent = 0;
  std::uint64_t garbled_trains = 0;  // times that a TrainWatch said so
  std::uint64_t flows = 0;           // in the table at this moment
  std::uint64_t flows_evicted = 0;
  packet::DropCounts drops{};
  friend bool operator==(const Counters&, const Counters&) = default;
};

// What an engine holds at this moment: what memory it takes is bounded by these. Sums over peers,
// and the most that one of them has.
struct Holdings {
  std::size_t peers = 0;
  std::size_t sessions = 0;
  std::size_t most_sessions = 0;
  std::size_t receiver_indices = 0;
  std::size_t staged_packets = 0;  // segments counted singly
  std::size_t most_staged_packets = 0;
  std::size_t most_staged_bytes = 0;
  std::size_t timers = 0;              // armed
  std::size_t waiting_handshakes = 0;  // received, not yet served
  std::size_t pending_flushes = 0;     // peers whose staged packets found no room
};

}  // namespace adit::engine
