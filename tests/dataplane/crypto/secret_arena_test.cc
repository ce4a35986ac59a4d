#include "dataplane/crypto/secret_arena.h"

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataplane/crypto/secret.h"

namespace adit::crypto {
namespace {

using Key = std::array<std::uint8_t, 32>;

Key Filled(std::uint8_t value) {
  Key key{};
  key.fill(value);
  return key;
}

struct Mapping {
  std::string permissions;
  std::set<std::string> flags;
};

// What the kernel says of the mapping that holds an address.
Mapping MappingOf(const void* address) {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  std::ifstream smaps("/proc/self/smaps");
  std::string line;
  Mapping mapping;
  bool inside = false;
  while (std::getline(smaps, line)) {
    unsigned long start = 0;
    unsigned long end = 0;
    std::array<char, 8> permissions{};
    if (std::sscanf(line.c_str(), "%lx-%lx %7s", &start, &end, permissions.data()) == 3) {
      inside = wanted >= start && wanted < end;
      if (inside) {
        mapping.permissions = permissions.data();
      }
    } else if (inside && line.rfind("VmFlags:", 0) == 0) {
      std::istringstream words(line.substr(8));
      for (std::string word; words >> word;) {
        mapping.flags.insert(word);
      }
    }
  }
  return mapping;
}

// For a child process: without the capabilities that lift RLIMIT_MEMLOCK.
void DropCapabilities() {
  __user_cap_header_struct header{};
  header.version = _LINUX_CAPABILITY_VERSION_3;
  __user_cap_data_struct none[2] = {};
  if (syscall(SYS_capset, &header, none) != 0) {
    std::perror("capset");
    std::_Exit(2);
  }
}

void LimitLockedMemory(rlim_t soft, rlim_t hard) {
  const rlimit limit{soft, hard};
  if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0) {
    std::perror("setrlimit");
    std::_Exit(2);
  }
}

TEST(SecretArena, IsLeftOutOfCoreDumpsAndForks) {
  const auto arena = SecretArena::Make(1000).value();
  std::uint8_t* const slot = arena->Allocate();
  const Mapping mapping = MappingOf(slot);
  EXPECT_EQ(mapping.permissions, "rw-p");
  EXPECT_THAT(mapping.flags, ::testing::IsSupersetOf({"dd", "wf"}));
}

TEST(SecretArena, SaysTruthfullyWhetherItIsLocked) {
  const auto arena = SecretArena::Make(1000).value();
  EXPECT_EQ(arena->is_locked(), arena->lock_error() == 0);
  EXPECT_EQ(MappingOf(arena->Allocate()).flags.count("lo"), arena->is_locked() ? 1 : 0);
}

TEST(SecretArena, LocksWithinTheLimitWithoutCapabilities) {
  EXPECT_EXIT(
      {
        LimitLockedMemory(8 << 20, 8 << 20);
        DropCapabilities();
        const auto arena = SecretArena::Make((4 << 20) / SecretArena::kSlotSize).value();
        const bool locked = arena->is_locked() && arena->lock_error() == 0 &&
                            MappingOf(arena->Allocate()).flags.count("lo") == 1;
        std::_Exit(locked ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(SecretArena, RaisesTheSoftLimitToTheHardOne) {
  EXPECT_EXIT(
      {
        LimitLockedMemory(4096, 8 << 20);
        DropCapabilities();
        const auto arena = SecretArena::Make((4 << 20) / SecretArena::kSlotSize).value();
        std::_Exit(arena->is_locked() ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(SecretArena, LocksTheSlotsThatAreUsedFirstWhereTheLimitIsTooSmall) {
  EXPECT_EXIT(
      {
        LimitLockedMemory(8 << 20, 8 << 20);
        DropCapabilities();
        const auto arena = SecretArena::Make((20 << 20) / SecretArena::kSlotSize).value();
        const bool reported = !arena->is_locked() && arena->lock_error() == ENOMEM &&
                              arena->locked_slots() >= (7 << 20) / SecretArena::kSlotSize;
        std::uint8_t* slot = nullptr;
        for (std::size_t i = 0; i < arena->locked_slots(); ++i) {
          slot = arena->Allocate();
        }
        slot[0] = 1;
        const bool last_is_locked = MappingOf(slot).flags.count("lo") == 1;
        std::_Exit(reported && last_is_locked ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(SecretArena, WorksUnlockedAndSaysSoWhereNothingMayBeLocked) {
  EXPECT_EXIT(
      {
        LimitLockedMemory(0, 0);
        DropCapabilities();
        const auto arena = SecretArena::Make((1 << 20) / SecretArena::kSlotSize).value();
        const bool reported =
            !arena->is_locked() && arena->lock_error() != 0 && arena->locked_slots() == 0;
        std::uint8_t* const slot = arena->Allocate();
        slot[0] = 1;
        const Mapping mapping = MappingOf(slot);
        const bool still_hidden = mapping.flags.count("dd") == 1 && mapping.flags.count("wf") == 1;
        std::_Exit(reported && still_hidden ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(SecretArena, IsZeroInAForkedChild) {
  const auto arena = SecretArena::Make(4).value();
  const ArenaKey key = ArenaKey::Copy(*arena, Filled(0x77));
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    _exit(IsAllZero(key.bytes()) ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_EQ(key.bytes()[0], 0x77);
}

TEST(SecretArena, FaultsOnAWritePastItsLastSlot) {
  const auto arena = SecretArena::Make(5).value();
  std::uint8_t* last = nullptr;
  for (int i = 0; i < 5; ++i) {
    last = arena->Allocate();
  }
  volatile std::uint8_t* const past = last + SecretArena::kSlotSize;
  EXPECT_EQ(MappingOf(last + SecretArena::kSlotSize).permissions, "---p");
  EXPECT_DEATH(*past = 1, "");
}

TEST(SecretArena, HasAGuardPageBelow) {
  const auto arena = SecretArena::Make(4096 / SecretArena::kSlotSize).value();
  std::uint8_t* const first = arena->Allocate();
  EXPECT_EQ(MappingOf(first).permissions, "rw-p");
  EXPECT_EQ(MappingOf(first - 1).permissions, "---p");
}

TEST(SecretArena, GivesDistinctZeroedSlotsUntilItIsFull) {
  const auto arena = SecretArena::Make(300).value();
  EXPECT_EQ(arena->capacity(), 300U);
  std::set<std::uint8_t*> slots;
  for (int i = 0; i < 300; ++i) {
    std::uint8_t* const slot = arena->Allocate();
    ASSERT_NE(slot, nullptr);
    EXPECT_TRUE(IsAllZero({slot, SecretArena::kSlotSize}));
    std::memset(slot, 0xff, SecretArena::kSlotSize);
    slots.insert(slot);
  }
  EXPECT_EQ(slots.size(), 300U);
  EXPECT_EQ(arena->slots_in_use(), 300U);
  EXPECT_EQ(arena->Allocate(), nullptr);
  EXPECT_FALSE(ArenaKey::Copy(*arena, Filled(1)).is_set());
  arena->Free(*slots.begin());
  EXPECT_EQ(arena->Allocate(), *slots.begin());
}

TEST(SecretArena, WipesASlotThatIsGivenBack) {
  const auto arena = SecretArena::Make(2).value();
  std::uint8_t* const slot = arena->Allocate();
  std::memset(slot, 0xee, SecretArena::kSlotSize);
  arena->Free(slot);
  EXPECT_TRUE(IsAllZero({slot, SecretArena::kSlotSize}));
  EXPECT_EQ(arena->slots_in_use(), 0U);
  arena->Free(nullptr);
  EXPECT_EQ(arena->slots_in_use(), 0U);
}

TEST(SecretArena, ReusesSlotsForEver) {
  const auto arena = SecretArena::Make(3).value();
  for (int round = 0; round < 1000; ++round) {
    const ArenaKey a = ArenaKey::Copy(*arena, Filled(1));
    const ArenaKey b = ArenaKey::Copy(*arena, Filled(2));
    const ArenaKey c = ArenaKey::Copy(*arena, Filled(3));
    ASSERT_TRUE(a.is_set() && b.is_set() && c.is_set());
    ASSERT_EQ(b.bytes()[31], 2);
  }
  EXPECT_EQ(arena->slots_in_use(), 0U);
}

TEST(SecretArena, RefusesNoSlotsAndTooMany) {
  EXPECT_EQ(SecretArena::Make(0).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(SecretArena::Make(UINT32_MAX).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ArenaKey, MovesItsSlot) {
  const auto arena = SecretArena::Make(2).value();
  ArenaKey a = ArenaKey::Copy(*arena, Filled(1));
  const std::uint8_t* const slot = a.bytes().data();
  ArenaKey b = std::move(a);
  EXPECT_EQ(b.bytes().data(), slot);
  EXPECT_EQ(arena->slots_in_use(), 1U);
  ArenaKey c = ArenaKey::Copy(*arena, Filled(2));
  c = std::move(b);
  EXPECT_EQ(c.bytes().data(), slot);
  EXPECT_EQ(c.bytes()[0], 1);
  EXPECT_EQ(arena->slots_in_use(), 1U);
  c.Reset();
  EXPECT_FALSE(c.is_set());
  EXPECT_TRUE(IsAllZero({slot, SecretArena::kSlotSize}));
  EXPECT_EQ(arena->slots_in_use(), 0U);
}

TEST(ArenaKey, IsEmptyWhenMovedFrom) {
  const auto arena = SecretArena::Make(1).value();
  ArenaKey a = ArenaKey::Copy(*arena, Filled(1));
  const ArenaKey b = std::move(a);
  EXPECT_FALSE(a.is_set());  // NOLINT(bugprone-use-after-move): what this test is about
  a.Reset();
  EXPECT_TRUE(b.is_set());
}

}  // namespace
}  // namespace adit::crypto
