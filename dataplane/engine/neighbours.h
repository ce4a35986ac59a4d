#pragma once

#include <cstdint>

#include "common/ip_address.h"
#include "dataplane/packet/datagram_sink.h"
#include "dataplane/packet/received_train.h"
#include "dataplane/wireguard/initiation.h"

namespace adit::engine {

// An initiation after the stateless part, on its way to the engine that has its peer.
struct HandedInitiation {
  wireguard::OpenedInitiation opened;
  Endpoint remote;
  packet::LocalSource local;
};

// The engines of the other shards, for what came to the wrong one. What is handed over is copied:
// it is rare, since the kernel steers by receiver index.
class Neighbours {
 public:
  virtual ~Neighbours() = default;
  // False: no room there, or no such shard; nothing was handed over, and the caller counts the
  // drop.
  [[nodiscard]] virtual bool HandOver(std::uint8_t shard, const packet::ReceivedTrain& train) = 0;
  [[nodiscard]] virtual bool HandOver(std::uint8_t shard, const HandedInitiation& initiation) = 0;
};

}  // namespace adit::engine
