// What the shards of a group do for each other.
#include <algorithm>

#include "dataplane/shard/shard.h"

namespace adit::shard {
namespace {

constexpr Duration kRecentData = seconds(10);

}  // namespace

bool Shard::Neighbourhood::HandOver(std::uint8_t shard, const packet::ReceivedTrain& train) {
  const bool has_room = shard < shards.size() && shards[shard]->inbox_->Put(train);
  if (has_room) {
    shards[shard]->WakeIfAsleep();
  }
  return has_room;
}

bool Shard::Neighbourhood::HandOver(std::uint8_t shard,
                                    const engine::HandedInitiation& initiation) {
  const bool has_room = shard < shards.size() && shards[shard]->inbox_->Put(initiation);
  if (has_room) {
    shards[shard]->WakeIfAsleep();
  }
  return has_room;
}

void Shard::Join(const std::vector<Shard*>& shards) {
  neighbours_.shards = shards;
  inbox_ = std::make_unique<HandoverInbox>();
  if (!IsReader()) {
    ring_ = std::make_unique<TunRing>();
  }
}

void Shard::HandleTunPacket(const packet::SuperPacket& packet, Now now) {
  const unsigned owner = neighbours_.shards.empty() ? number_ : engine_.OwnerOf(packet.bytes);
  if (owner == number_) {
    engine_.HandleTunPacket(packet, now);
    return;
  }
  neighbours_.shards[owner]->ring_->Push(packet, tun_reader_);
  neighbours_.shards[owner]->WakeIfAsleep();
}

bool Shard::HasRoomForTunPacket() {
  return queue_.HasRoomForSuperPacket() &&
         std::ranges::none_of(neighbours_.shards, [](const Shard* shard) {
           return shard->ring_ != nullptr && shard->ring_->IsFull();
         });
}

bool Shard::MayReadTun() {
  return IsReader() ? is_tun_readable_ && HasRoomForTunPacket()
                    : !ring_->IsEmpty() && queue_.HasRoomForSuperPacket();
}

void Shard::TakeHandedOver(Now now) {
  if (!WasHandedSomething()) {
    return;
  }
  for (const packet::ReceivedTrain& train : inbox_->TakeTrains()) {
    engine_.HandleUdpTrain(train, now);
  }
  // Plaintext lies in the inbox.
  tun_writer_.FlushDeliveries();
  for (const engine::HandedInitiation& initiation :
       inbox_->TakeInitiations(engine::Engine::kHandshakesPerTurn)) {
    engine_.HandleInitiation(initiation, now);
  }
}

// By a peer of any shard.
bool Shard::CarriedDataRecently(IpFamily family, Instant now) const {
  const auto is_recent = [&](Instant last) {
    return last != Instant() && now - last < kRecentData;
  };
  return is_recent(engine_.last_data(family)) ||
         std::ranges::any_of(neighbours_.shards, [&](const Shard* shard) {
           return is_recent(Instant(
               Duration(shard->last_data_[io::IndexOf(family)].load(std::memory_order_relaxed))));
         });
}

void Shard::WakeIfAsleep() {
  if (is_asleep_.load() && is_asleep_.exchange(false)) {
    mailbox_->Wake();
  }
}

}  // namespace adit::shard
