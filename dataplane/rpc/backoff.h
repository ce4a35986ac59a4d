#pragma once

#include <algorithm>

#include "common/random.h"
#include "common/time.h"

namespace adit::rpc {

// How long to wait before the next attempt: twice as long each time up to a second (a unix socket
// on the same host costs nothing to try, and a control plane that comes back should be found at
// once), less up to half of it by chance, so that many do not come together.
class Backoff {
 public:
  static constexpr Duration kFirst = milliseconds(100);
  static constexpr Duration kLongest = seconds(1);

  explicit Backoff(RandomSource& random) : random_(random) {}

  [[nodiscard]] Duration Next() {
    const Duration whole = next_;
    next_ = std::min(next_ * 2, kLongest);
    const auto half = static_cast<std::uint64_t>(whole.count() / 2);
    return whole - Duration(static_cast<Duration::rep>(random_.Next64() % (half + 1)));
  }
  void Reset() { next_ = kFirst; }

 private:
  RandomSource& random_;
  Duration next_ = kFirst;
};

}  // namespace adit::rpc
