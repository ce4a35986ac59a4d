#include "dataplane/wireguard/receiver_index.h"

#include <bit>
#include <vector>

namespace adit::wireguard {

struct ReceiverIndexTable::Impl {
  struct Slot {
    std::uint32_t index = 0;
    bool is_used = false;
    Entry entry;
  };

  Impl(std::uint8_t shard_number, RandomSource& source)
      : shard(shard_number), random(source), slots(64) {}

  // Indices are random: their upper bits are a hash already.
  [[nodiscard]] std::size_t HomeOf(std::uint32_t index) const {
    return (index >> 8) & (slots.size() - 1);
  }
  [[nodiscard]] Slot* Find(std::uint32_t index) {
    for (std::size_t at = HomeOf(index); slots[at].is_used; at = (at + 1) & (slots.size() - 1)) {
      if (slots[at].index == index) {
        return &slots[at];
      }
    }
    return nullptr;
  }
  Slot* Insert(std::uint32_t index, const Entry& entry) {
    std::size_t at = HomeOf(index);
    while (slots[at].is_used) {
      at = (at + 1) & (slots.size() - 1);
    }
    slots[at] = {index, true, entry};
    ++size;
    return &slots[at];
  }

  const std::uint8_t shard;
  RandomSource& random;
  std::vector<Slot> slots;
  std::size_t size = 0;
};

ReceiverIndexTable::ReceiverIndexTable(std::uint8_t shard, RandomSource& random)
    : impl_(std::make_unique<Impl>(shard, random)) {}
ReceiverIndexTable::~ReceiverIndexTable() = default;

void ReceiverIndexTable::Reserve(std::size_t peers) {
  constexpr std::size_t kIndicesPerPeer = 4;
  const std::size_t wanted = std::bit_ceil(peers * kIndicesPerPeer * 4 / 3 + 1);
  if (wanted <= impl_->slots.size()) {
    return;
  }
  std::vector<Impl::Slot> old(wanted);
  old.swap(impl_->slots);
  impl_->size = 0;
  for (const Impl::Slot& slot : old) {
    if (slot.is_used) {
      impl_->Insert(slot.index, slot.entry);
    }
  }
}

std::optional<std::uint32_t> ReceiverIndexTable::Add(Peer* peer) {
  if (impl_->size * 4 >= impl_->slots.size() * 3) {
    return std::nullopt;
  }
  for (;;) {
    const std::uint32_t index = (impl_->random.Next32() & 0xffffff00U) | impl_->shard;
    if (impl_->Find(index) == nullptr) {
      impl_->Insert(index, {peer, nullptr});
      return index;
    }
  }
}

void ReceiverIndexTable::SetSession(std::uint32_t index, Session* session) {
  if (Impl::Slot* slot = impl_->Find(index)) {
    slot->entry.session = session;
  }
}

void ReceiverIndexTable::Remove(std::uint32_t index) {
  Impl::Slot* slot = impl_->Find(index);
  if (slot == nullptr) {
    return;
  }
  // Linear probing without tombstones: move back what the hole would cut off.
  const std::size_t mask = impl_->slots.size() - 1;
  std::size_t hole = static_cast<std::size_t>(slot - impl_->slots.data());
  for (std::size_t at = (hole + 1) & mask; impl_->slots[at].is_used; at = (at + 1) & mask) {
    const std::size_t home = impl_->HomeOf(impl_->slots[at].index);
    if (((at - home) & mask) >= ((at - hole) & mask)) {
      impl_->slots[hole] = impl_->slots[at];
      hole = at;
    }
  }
  impl_->slots[hole] = {};
  --impl_->size;
}

const ReceiverIndexTable::Entry* ReceiverIndexTable::Find(std::uint32_t index) const {
  const Impl::Slot* slot = impl_->Find(index);
  return slot == nullptr ? nullptr : &slot->entry;
}

std::size_t ReceiverIndexTable::size() const { return impl_->size; }

}  // namespace adit::wireguard
