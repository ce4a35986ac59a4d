#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "common/time.h"

namespace adit::engine {

// The earliest deadline of each of many numbered owners: a binary heap with the owners' positions,
// so that a deadline can be moved. Armed lazily: a later deadline than the armed one is not written
// down; the owner is woken early and arms again. That makes re-arming on the packet path a compare.
//
// Thread: the shard's. Allocates in Reserve only.
class TimerHeap {
 public:
  // Room for owners 0 .. count-1; only grows.
  void Reserve(std::size_t count) {
    if (count > positions_.size()) {
      positions_.resize(count, kAbsent);
      heap_.reserve(count);
    }
  }

  // Moves the owner's deadline earlier, or arms it. A later deadline is ignored.
  void ArmNoLaterThan(std::uint32_t owner, Instant deadline) {
    if (deadline == Instant::Max()) {
      return;
    }
    if (positions_[owner] == kAbsent) {
      positions_[owner] = static_cast<std::uint32_t>(heap_.size());
      heap_.push_back({deadline, owner});
    } else if (heap_[positions_[owner]].deadline <= deadline) {
      return;
    } else {
      heap_[positions_[owner]].deadline = deadline;
    }
    SiftUp(positions_[owner]);
  }

  void Disarm(std::uint32_t owner) {
    const std::uint32_t at = positions_[owner];
    if (at == kAbsent) {
      return;
    }
    Swap(at, static_cast<std::uint32_t>(heap_.size() - 1));
    heap_.pop_back();
    positions_[owner] = kAbsent;
    if (at < heap_.size()) {
      SiftUp(at);
      SiftDown(at);
    }
  }

  [[nodiscard]] std::size_t size() const { return heap_.size(); }
  [[nodiscard]] Instant Earliest() const {
    return heap_.empty() ? Instant::Max() : heap_.front().deadline;
  }
  // Requires Earliest() != Max(). Takes the owner off the heap.
  [[nodiscard]] std::uint32_t PopEarliest() {
    const std::uint32_t owner = heap_.front().owner;
    Disarm(owner);
    return owner;
  }

 private:
  static constexpr std::uint32_t kAbsent = UINT32_MAX;
  struct Node {
    Instant deadline;
    std::uint32_t owner;
  };

  void Swap(std::uint32_t a, std::uint32_t b) {
    std::swap(heap_[a], heap_[b]);
    positions_[heap_[a].owner] = a;
    positions_[heap_[b].owner] = b;
  }
  void SiftUp(std::uint32_t at) {
    while (at != 0 && heap_[at].deadline < heap_[(at - 1) / 2].deadline) {
      Swap(at, (at - 1) / 2);
      at = (at - 1) / 2;
    }
  }
  void SiftDown(std::uint32_t at) {
    for (;;) {
      std::uint32_t least = at;
      for (const std::uint32_t child : {2 * at + 1, 2 * at + 2}) {
        if (child < heap_.size() && heap_[child].deadline < heap_[least].deadline) {
          least = child;
        }
      }
      if (least == at) {
        return;
      }
      Swap(at, least);
      at = least;
    }
  }

  std::vector<Node> heap_;
  std::vector<std::uint32_t> positions_;
};

}  // namespace adit::engine
