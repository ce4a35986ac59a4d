#include "dataplane/wireguard/replay_window.h"

#include <algorithm>

namespace adit::wireguard {

bool ReplayWindow::Accept(std::uint64_t counter) {
  constexpr std::uint64_t kWords = kBits / 64;
  const bool is_too_old = next_ > counter && next_ - counter > kUsableBits;
  if (is_too_old) {
    return false;
  }
  const std::uint64_t word = counter / 64;
  if (counter >= next_) {
    // The words between the old front and the new one stand for counters not seen yet.
    const std::uint64_t old_word = next_ == 0 ? 0 : (next_ - 1) / 64;
    const std::uint64_t steps = std::min(word - old_word, kWords);
    for (std::uint64_t i = 1; i <= steps; ++i) {
      words_[(old_word + i) % kWords] = 0;
    }
    next_ = counter + 1;
  }
  std::uint64_t& bits = words_[word % kWords];
  const std::uint64_t bit = std::uint64_t{1} << (counter % 64);
  if ((bits & bit) != 0) {
    return false;
  }
  bits |= bit;
  return true;
}

void ReplayWindow::Reset() { *this = ReplayWindow(); }

}  // namespace adit::wireguard
