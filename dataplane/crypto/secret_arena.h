#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "common/bytes.h"
#include "common/mutex.h"
#include "common/status.h"

namespace adit::crypto {

// One mapping for every long-lived key of the process, in slots of 32 bytes: locked in memory,
// left out of core dumps and forked children (MADV_DONTDUMP, MADV_WIPEONFORK), between guard
// pages. A slot is zeroed when it is given back.
//
// RLIMIT_MEMLOCK may be small and a container lacks CAP_IPC_LOCK: Make locks while the process may
// still raise its limit and says in is_locked() whether that worked; running unlocked is allowed
// and reported.
//
// Thread: any; slots belong to their holders.
class SecretArena {
 public:
  static constexpr std::size_t kSlotSize = 32;

  // Room for `slots` keys of 32 bytes; fixed for the life of the arena. The lock is taken here,
  // while limits may still be raised, for all that they allow; pages are touched, and so held in
  // memory, as slots come into use (MLOCK_ONFAULT).
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<SecretArena>> Make(std::size_t slots);
  ~SecretArena();
  SecretArena(const SecretArena&) = delete;
  SecretArena& operator=(const SecretArena&) = delete;

  // A zeroed slot, or nullptr when all are in use (the caller refuses what needed the key).
  [[nodiscard]] std::uint8_t* Allocate();
  // Wipes and gives back. nullptr is allowed.
  void Free(std::uint8_t* slot);

  [[nodiscard]] bool is_locked() const { return locked_slots_ == capacity_; }
  // Of the slots that are used first.
  [[nodiscard]] std::size_t locked_slots() const { return locked_slots_; }
  [[nodiscard]] int lock_error() const { return lock_error_; }  // errno, 0 when all is locked
  [[nodiscard]] std::size_t slots_in_use() const {
    const MutexLock lock(mutex_);
    return in_use_;
  }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }

 private:
  SecretArena() = default;

  std::uint8_t* mapping_ = nullptr;
  std::size_t mapping_size_ = 0;
  std::uint8_t* slots_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t locked_slots_ = 0;
  int lock_error_ = 0;

  mutable Mutex mutex_;
  std::size_t in_use_ ABSL_GUARDED_BY(mutex_) = 0;
  std::size_t next_unused_ ABSL_GUARDED_BY(mutex_) = 0;
  // Free slots are chained by index, kept outside them.
  std::uint32_t free_head_ ABSL_GUARDED_BY(mutex_) = UINT32_MAX;
  std::unique_ptr<std::uint32_t[]> next_free_ ABSL_GUARDED_BY(mutex_);
};

// A 32-byte key in an arena: move-only, wiped and given back when destroyed. Empty by default.
class ArenaKey {
 public:
  ArenaKey() = default;
  // Empty when the arena is full.
  [[nodiscard]] static ArenaKey Copy(SecretArena& arena, std::span<const std::uint8_t, 32> bytes);
  ArenaKey(ArenaKey&& other) noexcept;
  ArenaKey& operator=(ArenaKey&& other) noexcept;
  ArenaKey(const ArenaKey&) = delete;
  ArenaKey& operator=(const ArenaKey&) = delete;
  ~ArenaKey() { Reset(); }

  [[nodiscard]] bool is_set() const { return slot_ != nullptr; }
  // Requires is_set().
  [[nodiscard]] std::span<const std::uint8_t, 32> bytes() const {
    return std::span<const std::uint8_t, 32>(slot_, 32);
  }
  [[nodiscard]] std::span<std::uint8_t, 32> mutable_bytes() {
    return std::span<std::uint8_t, 32>(slot_, 32);
  }
  void Reset();

 private:
  SecretArena* arena_ = nullptr;
  std::uint8_t* slot_ = nullptr;
};

}  // namespace adit::crypto
