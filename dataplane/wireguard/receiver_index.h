#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "common/random.h"

namespace adit::wireguard {

class Peer;
struct Session;

// The 32-bit receiver indices of one shard: 24 random bits above, the shard's number in the low
// byte (the UDP steering program reads it). Unique over handshakes and sessions (rule R5).
//
// Thread: the shard's. Lookup and insertion allocate nothing while at most Reserve's peers exist:
// open addressing, at most half full, four indices a peer (previous, current, next, handshake).
class ReceiverIndexTable {
 public:
  ReceiverIndexTable(std::uint8_t shard, RandomSource& random);
  ~ReceiverIndexTable();
  ReceiverIndexTable(const ReceiverIndexTable&) = delete;
  ReceiverIndexTable& operator=(const ReceiverIndexTable&) = delete;

  struct Entry {
    Peer* peer = nullptr;
    Session* session = nullptr;  // nullptr: a handshake in progress
  };

  // Room for this many peers; only grows. Called when peers are added, not by the packet path.
  void Reserve(std::size_t peers);
  // A fresh index pointing at a handshake of this peer. nullopt when the table is full.
  [[nodiscard]] std::optional<std::uint32_t> Add(Peer* peer);
  // The handshake's index becomes its session's. The index must exist.
  void SetSession(std::uint32_t index, Session* session);
  void Remove(std::uint32_t index);
  // nullptr when unknown. Valid until the next Add, Remove or Reserve.
  [[nodiscard]] const Entry* Find(std::uint32_t index) const;
  [[nodiscard]] std::size_t size() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace adit::wireguard
