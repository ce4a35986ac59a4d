#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

// Time enters the engine from outside, always as these types.
namespace adit {

using Duration = std::chrono::nanoseconds;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// An instant of CLOCK_BOOTTIME: monotonic, counts suspend. Sessions, timers and deadlines use it.
class Instant {
 public:
  constexpr Instant() = default;
  constexpr explicit Instant(Duration since_boot) : since_boot_(since_boot) {}
  [[nodiscard]] static constexpr Instant Max() { return Instant(Duration::max()); }
  [[nodiscard]] constexpr Duration since_boot() const { return since_boot_; }

  // Saturates at Max(), so that "never" plus anything stays never.
  friend constexpr Instant operator+(Instant a, Duration d) {
    return a.since_boot_ > Duration::max() - d ? Max() : Instant(a.since_boot_ + d);
  }
  friend constexpr Instant operator-(Instant a, Duration d) { return Instant(a.since_boot_ - d); }
  friend constexpr Duration operator-(Instant a, Instant b) {
    return a.since_boot_ - b.since_boot_;
  }
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 reads a null pointer into it
  friend constexpr auto operator<=>(Instant, Instant) = default;

 private:
  Duration since_boot_{0};
};

// An instant of CLOCK_REALTIME, as time since 1970. Only TAI64N, certificates and expiry use it.
class WallTime {
 public:
  constexpr WallTime() = default;
  constexpr explicit WallTime(Duration since_epoch) : since_epoch_(since_epoch) {}
  [[nodiscard]] constexpr Duration since_epoch() const { return since_epoch_; }
  friend constexpr WallTime operator+(WallTime a, Duration d) {
    return WallTime(a.since_epoch_ + d);
  }
  friend constexpr Duration operator-(WallTime a, WallTime b) {
    return a.since_epoch_ - b.since_epoch_;
  }
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 reads a null pointer into it
  friend constexpr auto operator<=>(WallTime, WallTime) = default;

 private:
  Duration since_epoch_{0};
};

// Both clocks, read together once per loop turn.
struct Now {
  Instant boot;
  WallTime wall;
};

// Where drivers read the time. Cores never hold one: they are given Now.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Now Read() const = 0;
};

// CLOCK_BOOTTIME and CLOCK_REALTIME.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] Now Read() const override;
};

}  // namespace adit
