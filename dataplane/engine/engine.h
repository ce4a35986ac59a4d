#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "common/ip_address.h"
#include "common/random.h"
#include "common/route_event.h"
#include "common/time.h"
#include "dataplane/access/gate.h"
#include "dataplane/crypto/aead.h"
#include "dataplane/crypto/secret_arena.h"
#include "dataplane/engine/config.h"
#include "dataplane/engine/handshake_queue.h"
#include "dataplane/engine/neighbours.h"
#include "dataplane/engine/peer_state.h"
#include "dataplane/engine/report.h"
#include "dataplane/engine/shared.h"
#include "dataplane/engine/timer_heap.h"
#include "dataplane/packet/datagram_sink.h"
#include "dataplane/packet/icmp_error.h"
#include "dataplane/packet/received_train.h"
#include "dataplane/packet/split.h"
#include "dataplane/packet/super_packet.h"
#include "dataplane/packet/tun_sink.h"
#include "dataplane/wireguard/allowed_ips.h"
#include "dataplane/wireguard/cookie.h"
#include "dataplane/wireguard/local_identity.h"
#include "dataplane/wireguard/receiver_index.h"
#include "dataplane/wireguard/session_pool.h"

namespace adit::engine {

// What an engine borrows. Everything outlives it.
struct EngineContext {
  packet::DatagramSink& datagrams;
  packet::TunSink& tun;
  crypto::Aead& aead;
  crypto::SecretArena& arena;
  RandomSource& random;
  Shared& shared;
  Neighbours* neighbours = nullptr;  // with several shards
};

struct EngineOptions {
  std::uint8_t shard = 0;  // of
  std::uint8_t shard_count = 1;
  std::size_t handshake_queue_capacity = HandshakeQueue::kTotalCapacity;
  // Grants decide what passes. Off in standalone mode, where allowed-IPs are the only policy.
  bool enforce_access = true;
  std::size_t flow_capacity = access::FlowTable::kDefaultCapacity;
  std::uint32_t mtu = 1420;
};

// The data plane of many peers, sans-IO: sessions, cryptokey routing, access, handshakes, timers.
// It opens no socket and reads no clock.
//
// With several shards each has an engine, and all are given the same configuration in the same
// order. A new peer goes to the shard with the fewest, for life; every engine finds that out by
// itself, and keeps of the others' peers the key, the owner and the allowed IPs, so that it routes
// and judges sources as if it were the only one. Everything else "of peers" means its own.
//
// The driver's turn:
//
//   1. Handle*: packets from TUN, trains from UDP, configuration — each with the turn's one `now`;
//   2. ServeHandshakes, then HandleTimeout when PollTimeout() has come;
//   3. the driver drains the DatagramSink and sleeps until PollTimeout().
//
// Fast path: HandleTunPacket and HandleUdpTrain for established sessions and open flows allocate
// nothing, lock nothing and log nothing. Everything else is slow path in the same thread.
//
// Thread: the shard's only.
class Engine {
 public:
  Engine(const EngineContext& context, const EngineOptions& options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // --- packets
  // A packet or super-packet read from TUN; its bytes are rewritten or left as they are.
  void HandleTunPacket(const packet::SuperPacket& super_packet, Now now);
  // One receive from UDP, opened in place; plaintext goes to the TunSink, which may hold the bytes
  // until FlushDeliveries: keep the buffer until then.
  void HandleUdpTrain(const packet::ReceivedTrain& train, Now now);
  // At most kHandshakesPerTurn of those that wait. True: more wait, do not sleep.
  bool ServeHandshakes(Now now);
  static constexpr std::size_t kHandshakesPerTurn = 8;
  // The queue has room again: packets that found none are sent.
  void FlushPending(Now now);
  // What another engine handed over (Neighbours). Its initiations are served at once, so no more
  // than kHandshakesPerTurn a turn.
  void HandleInitiation(const HandedInitiation& initiation, Now now);
  // The shard whose HandleTunPacket an IP packet is for: its destination's; for whatever is
  // nobody's this one, which refuses it.
  [[nodiscard]] std::uint8_t OwnerOf(ByteSpan packet) const;

  // --- time
  [[nodiscard]] Instant PollTimeout() const;
  void HandleTimeout(Now now);

  // --- configuration
  // False: the key arena was full when the engine was made. A peer of that key is removed.
  [[nodiscard]] bool SetPrivateKey(std::span<const std::uint8_t, 32> key, Now now);
  void SetLinkUp(bool is_up, Now now);
  void SetMtu(std::uint32_t mtu) { mtu_ = mtu; }
  // Our own UDP port: a datagram from it to a peer's endpoint that is read from TUN is one of ours,
  // which a route leads back into the tunnel; it is dropped (kOwnDatagram). 0: none.
  void SetListenPort(std::uint16_t port) { listen_port_ = port; }
  // The source of ICMP errors we make; not set: the unreachable destination speaks for itself.
  void SetOwnAddresses(const std::vector<IpAddress>& addresses);
  // False: the key arena is full; everything but that peer's key was applied.
  [[nodiscard]] bool ApplyPatch(const PeerPatch& patch, Now now);
  void RemoveAllPeers();
  // Atomic for packets: it happens between two of them.
  [[nodiscard]] bool Apply(const Update& update, Now now);
  void Restore(const std::vector<PeerMemory>& memories);
  // Nothing with a timestamp at or below the mark is sent any more.
  void RestoreTimestampMark(WallTime mark) { context_.shared.timestamps.RestoreMark(mark); }
  [[nodiscard]] WallTime greatest_timestamp() const {
    return context_.shared.timestamps.greatest();
  }
  // Learned source addresses that the event concerns are forgotten (R15); or all of them.
  void HandleRouteEvent(const RouteEvent& event);
  void ForgetSources();
  void ForgetSource(std::uint32_t peer, const IpAddress& source);
  // All keys erased, staged packets dropped. For shutdown.
  void Wipe();

  // --- state
  [[nodiscard]] const PublicKey& public_key() const { return identity_.public_key(); }
  [[nodiscard]] const wireguard::LocalIdentity& identity() const { return identity_; }
  [[nodiscard]] std::uint8_t shard() const { return options_.shard; }
  // Of all shards.
  [[nodiscard]] std::size_t peer_count() const { return slots_by_key_.size(); }
  [[nodiscard]] Counters counters() const;
  // Looks at every peer.
  [[nodiscard]] Holdings holdings() const;
  // Appends reports of up to `count` peers from slot `first`; returns the next slot, or 0 at the
  // end. In pieces, so that asking about 10,000 peers does not stop the packets.
  std::uint32_t AppendReports(std::uint32_t first, std::uint32_t count,
                              std::vector<PeerReport>& out,
                              ReportDetail detail = ReportDetail::kAll) const;
  // A peer's trains arrive garbled; told once.
  [[nodiscard]] std::optional<GarbledTrains> PollGarbledTrains() {
    return std::exchange(garbled_trains_, std::nullopt);
  }
  // When data was last carried to or from a peer of this family; zero: never.
  [[nodiscard]] Instant last_data(IpFamily family) const {
    return last_data_[family == IpFamily::kV6 ? 1 : 0];
  }

 private:
  // engine_tun.cc: from TUN to UDP
  void RouteTowardPeer(const packet::SuperPacket& super_packet, Now now);
  enum class SealResult : std::uint8_t { kSent, kNoRoom, kNoSession };
  SealResult SealTrain(PeerState& peer, const packet::Splitter& splitter, std::uint8_t inner_tos,
                       std::uint32_t flow_hash, packet::SendClass send_class, Now now);
  void Stage(PeerState& peer, const packet::SuperPacket& super_packet, std::uint32_t segments,
             Now now);
  void FlushStaged(PeerState& peer, Now now);
  bool SendKeepalive(PeerState& peer, Now now);
  void AnswerIntoTun(packet::IcmpErrorKind kind, const packet::IpPacket& parsed, ByteSpan original);
  void AnswerToPeer(PeerState& peer, packet::IcmpErrorKind kind, const packet::IpPacket& parsed,
                    ByteSpan original, Now now);
  [[nodiscard]] IpAddress IcmpSource(const packet::IpPacket& parsed) const;
  [[nodiscard]] bool IsOwnDatagram(const packet::IpPacket& parsed) const;

  // engine_udp.cc: from UDP to TUN
  // Returns whose it is; nullptr: nobody's.
  PeerState* OpenRun(MutableByteSpan run, std::size_t segment_size,
                     const packet::ReceivedTrain& train, Now now);
  void DeliverPacket(PeerState& peer, MutableByteSpan plaintext, std::uint8_t outer_ecn, Now now);
  void Roam(PeerState& peer, const packet::ReceivedTrain& train);
  void WatchTrain(PeerState& peer, std::span<const crypto::OpenJob> jobs, std::size_t segment_size,
                  Now now);
  void NoteTrain(PeerState& peer, std::size_t size, std::uint32_t full, std::uint32_t failed,
                 Now now);

  void HandOverOrDrop(MutableByteSpan datagrams, std::size_t segment_size, std::uint32_t receiver,
                      const packet::ReceivedTrain& train);

  // engine_handshake.cc
  void EnqueueHandshake(MutableByteSpan message, wireguard::MessageType type,
                        const packet::ReceivedTrain& train, Now now);
  void ServeInitiation(const HandshakeQueue::Entry& entry, Now now);
  void ServeResponse(const HandshakeQueue::Entry& entry, Now now);
  void HandleCookieReply(MutableByteSpan message, const packet::ReceivedTrain& train, Now now);
  void AnswerInitiation(PeerState& peer, const HandedInitiation& initiation, Now now);
  void SetPath(PeerState& peer, const Endpoint& remote, const packet::LocalSource& local);
  void SetRemote(PeerState& peer, const Endpoint& remote);
  // Sends what the protocol has to say and re-arms the peer's timer: after every input.
  void DrainPeer(PeerState& peer, Now now);
  void SendInitiation(PeerState& peer, Now now);

  // Peers that were active before a restart are spoken to first, a few a turn.
  void SpeakFirst(Now now);

  // engine_config.cc
  [[nodiscard]] std::optional<std::uint32_t> FindSlot(const PublicKey& key) const;
  // nullptr: there is none, or it is another shard's.
  PeerState* FindPeer(const PublicKey& key) const;
  std::uint32_t AddPeer(const PublicKey& key);
  void RemovePeer(const PublicKey& key);
  void RemoveAbsent(const Update& update);
  void DiscardWhatMayNotBeSent(const Update& update);

  void Drop(packet::DropReason reason, std::uint64_t count = 1) {
    counters_.drops[static_cast<std::size_t>(reason)] += count;
  }

  EngineContext context_;
  const EngineOptions options_;
  std::uint32_t mtu_;
  std::uint16_t listen_port_ = 0;
  bool is_link_up_ = true;
  std::vector<IpAddress> own_addresses_;

  wireguard::LocalIdentity identity_;
  wireguard::ReceiverIndexTable indices_;
  wireguard::SessionPool sessions_;
  wireguard::CookieChecker cookies_;
  wireguard::PeerContext peer_context_;
  HandshakeQueue handshakes_;

  std::vector<std::unique_ptr<PeerState>> peers_;  // by slot; null where free or another shard's
  std::vector<std::uint8_t> owners_;               // by slot: the shard
  std::vector<std::uint32_t> population_;          // by shard: peers
  std::vector<std::uint32_t> free_slots_;
  absl::flat_hash_map<PublicKey, std::uint32_t> slots_by_key_;
  wireguard::AllowedIps allowed_ips_;
  access::Gate gate_;
  TimerHeap timers_;
  static constexpr Duration kSweepInterval = seconds(1);
  static constexpr std::size_t kSweepEntries = 2048;
  Instant next_sweep_;
  std::vector<std::uint32_t> flush_pending_;
  std::vector<PublicKey> restore_queue_;
  IcmpBudget icmp_budget_;
  std::array<Instant, 2> last_data_{};  // by family: IPv4, IPv6
  std::optional<GarbledTrains> garbled_trains_;
  Counters counters_;
};

}  // namespace adit::engine
