#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include <fmt/format.h>

#include "common/bytes.h"
#include "common/time.h"

namespace adit::sim {

// A digest over everything that happens in a world, in order, with its time (FNV-1a over 64-bit
// words): equal worlds have equal digests. With a log, what happens is told as well.
class Trace {
 public:
  explicit Trace(std::FILE* log) : log_(log) {}

  void Add(std::uint64_t value) { digest_ = (digest_ ^ value) * 0x100000001b3; }
  void Add(ByteSpan bytes);
  template <typename... Args>
  void Log(Instant now, fmt::format_string<Args...> format, Args&&... args) {
    if (log_ != nullptr) {
      const double at = std::chrono::duration<double>(now.since_boot()).count();
      fmt::print(log_, "{:12.6f} {}\n", at, fmt::format(format, std::forward<Args>(args)...));
    }
  }
  [[nodiscard]] bool is_logging() const { return log_ != nullptr; }
  [[nodiscard]] std::uint64_t digest() const { return digest_; }

 private:
  std::FILE* log_;
  std::uint64_t digest_ = 0xcbf29ce484222325;
};

}  // namespace adit::sim
