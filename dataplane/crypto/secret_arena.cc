#include "dataplane/crypto/secret_arena.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "dataplane/crypto/secret.h"

namespace adit::crypto {
namespace {

// Pages are locked as they are first touched, so an arena for many peers costs what is used; the
// whole range counts against RLIMIT_MEMLOCK at once, so a later touch cannot fail.
int LockOnFault(void* address, std::size_t size) {
  if (mlock2(address, size, MLOCK_ONFAULT) == 0) {
    return 0;
  }
  if (errno == ENOSYS || errno == EINVAL) {
    return mlock(address, size) == 0 ? 0 : errno;
  }
  return errno;
}

// Makes room for `size` more locked bytes: the soft limit up to the hard one is everybody's, past
// it takes CAP_SYS_RESOURCE. What is locked already is not known here, so room is made on top of
// the present limit.
bool RaiseMemlockLimit(std::size_t size) {
  rlimit limit{};
  if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return false;
  }
  const rlim_t wanted = limit.rlim_cur + size;
  const rlimit raised{.rlim_cur = wanted, .rlim_max = std::max(wanted, limit.rlim_max)};
  if (setrlimit(RLIMIT_MEMLOCK, &raised) == 0) {
    return true;
  }
  if (limit.rlim_cur == limit.rlim_max) {
    return false;
  }
  const rlimit to_hard{.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
  return setrlimit(RLIMIT_MEMLOCK, &to_hard) == 0;
}

// As much from the front, where the slots are that are used first, as the limit allows, give or
// take what else the process has locked. Returns the bytes.
std::size_t LockSome(void* address, std::size_t size, std::size_t page) {
  rlimit limit{};
  if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0) {
    return 0;
  }
  std::size_t some = std::min<std::size_t>(size, limit.rlim_cur) / page * page;
  while (some >= page && LockOnFault(address, some) != 0) {
    some = some * 7 / 8 / page * page;
  }
  return some;
}

std::size_t RoundUp(std::size_t value, std::size_t unit) {
  return (value + unit - 1) / unit * unit;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SecretArena>> SecretArena::Make(std::size_t slots) {
  if (slots == 0 || slots >= std::numeric_limits<std::uint32_t>::max()) {
    return InvalidArgument(fmt::format("a secret arena of {} slots", slots));
  }
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t size = RoundUp(slots * kSlotSize, page);

  std::unique_ptr<SecretArena> arena(new SecretArena());
  void* mapping = mmap(nullptr, size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) {
    return ErrnoStatus(errno, "mmap secret arena");
  }
  arena->mapping_ = static_cast<std::uint8_t*>(mapping);
  arena->mapping_size_ = size + 2 * page;
  std::uint8_t* const usable = arena->mapping_ + page;
  if (mprotect(usable, size, PROT_READ | PROT_WRITE) != 0) {
    return ErrnoStatus(errno, "mprotect secret arena");
  }
  if (madvise(usable, size, MADV_DONTDUMP) != 0) {
    return ErrnoStatus(errno, "madvise MADV_DONTDUMP secret arena");
  }
  if (madvise(usable, size, MADV_WIPEONFORK) != 0) {
    return ErrnoStatus(errno, "madvise MADV_WIPEONFORK secret arena");
  }
  arena->lock_error_ = LockOnFault(usable, size);
  if (arena->lock_error_ != 0 && RaiseMemlockLimit(size)) {
    arena->lock_error_ = LockOnFault(usable, size);
  }
  std::size_t locked = arena->lock_error_ == 0 ? size : LockSome(usable, size, page);
  // The last slot ends at the guard page: a write past a key faults.
  arena->slots_ = usable + size - slots * kSlotSize;
  locked -= std::min(locked, size - slots * kSlotSize);
  arena->locked_slots_ = locked / kSlotSize;
  arena->capacity_ = slots;
  const MutexLock lock(arena->mutex_);
  arena->next_free_ = std::make_unique<std::uint32_t[]>(slots);
  return arena;
}

SecretArena::~SecretArena() {
  if (mapping_ == nullptr) {
    return;
  }
  if (next_unused_ != 0) {
    Wipe({slots_, next_unused_ * kSlotSize});
  }
  munmap(mapping_, mapping_size_);
}

std::uint8_t* SecretArena::Allocate() {
  const MutexLock lock(mutex_);
  std::size_t index = next_unused_;
  if (free_head_ != UINT32_MAX) {
    index = free_head_;
    free_head_ = next_free_[index];
  } else if (next_unused_ < capacity_) {
    ++next_unused_;
  } else {
    return nullptr;
  }
  ++in_use_;
  return slots_ + index * kSlotSize;
}

void SecretArena::Free(std::uint8_t* slot) {
  if (slot == nullptr) {
    return;
  }
  const auto index = static_cast<std::size_t>(slot - slots_) / kSlotSize;
  Wipe({slot, kSlotSize});
  const MutexLock lock(mutex_);
  assert(slot >= slots_ && index < next_unused_ && in_use_ > 0);
  next_free_[index] = free_head_;
  free_head_ = static_cast<std::uint32_t>(index);
  --in_use_;
}

ArenaKey ArenaKey::Copy(SecretArena& arena, std::span<const std::uint8_t, 32> bytes) {
  ArenaKey key;
  key.slot_ = arena.Allocate();
  if (key.slot_ != nullptr) {
    key.arena_ = &arena;
    std::memcpy(key.slot_, bytes.data(), bytes.size());
  }
  return key;
}

ArenaKey::ArenaKey(ArenaKey&& other) noexcept
    : arena_(std::exchange(other.arena_, nullptr)), slot_(std::exchange(other.slot_, nullptr)) {}

ArenaKey& ArenaKey::operator=(ArenaKey&& other) noexcept {
  if (this != &other) {
    Reset();
    arena_ = std::exchange(other.arena_, nullptr);
    slot_ = std::exchange(other.slot_, nullptr);
  }
  return *this;
}

void ArenaKey::Reset() {
  if (slot_ != nullptr) {
    arena_->Free(slot_);
  }
  arena_ = nullptr;
  slot_ = nullptr;
}

}  // namespace adit::crypto
