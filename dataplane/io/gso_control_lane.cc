#include "dataplane/io/gso_control_lane.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <numeric>

namespace adit::io {

ControlLane::ControlLane() { std::iota(order_.begin(), order_.end(), std::uint8_t{0}); }

ControlLane::Added ControlLane::Add(ByteSpan datagram, const packet::DatagramPath& path,
                                    packet::ControlKind kind,
                                    const std::array<bool, kFamilyCount>& is_suspended) {
  const bool is_sendable =
      !datagram.empty() && datagram.size() <= kMaxDatagramSize && path.remote.is_set();
  if (!is_sendable) {
    return Added::kNo;
  }

  Added added = Added::kYes;
  if (size_ == kCapacity) {
    if (kind == packet::ControlKind::kCookieReply) {
      return Added::kNo;
    }
    std::size_t victim = OldestCookieReply();
    const bool own_family_moves = !is_suspended[IndexOf(path.remote.address.family())];
    if (victim == kCapacity && own_family_moves) {
      victim = OldestOfSuspended(is_suspended);
    }
    if (victim == kCapacity) {
      return Added::kNo;
    }
    RemoveAt(victim);
    added = Added::kInPlaceOfAnother;
  }
  Entry& entry = entries_[order_[size_++]];
  entry.path = path;
  entry.kind = kind;
  entry.size = static_cast<std::uint16_t>(datagram.size());
  std::memcpy(entry.bytes.data(), datagram.data(), datagram.size());
  return added;
}

void ControlLane::RemoveAt(std::size_t i) {
  assert(i < size_);
  const auto begin = order_.begin();
  const auto offset = [](std::size_t n) { return static_cast<std::ptrdiff_t>(n); };
  std::rotate(begin + offset(i), begin + offset(i + 1), begin + offset(size_));
  --size_;
}

std::size_t ControlLane::OldestCookieReply() const {
  for (std::size_t i = 0; i < size_; ++i) {
    if (At(i).kind == packet::ControlKind::kCookieReply) {
      return i;
    }
  }
  return kCapacity;
}

std::size_t ControlLane::OldestOfSuspended(
    const std::array<bool, kFamilyCount>& is_suspended) const {
  for (std::size_t i = 0; i < size_; ++i) {
    if (is_suspended[IndexOf(At(i).path.remote.address.family())]) {
      return i;
    }
  }
  return kCapacity;
}

}  // namespace adit::io
