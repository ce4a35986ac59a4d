// The replay window against a set of everything it accepted.
#include <set>

#include "dataplane/wireguard/constants.h"
#include "dataplane/wireguard/replay_window.h"
#include "tests/fuzz/fuzz_target.h"

namespace adit::fuzz {
namespace {

using wireguard::ReplayWindow;

class WindowOracle {
 public:
  bool Accept(std::uint64_t counter) {
    const bool is_old = !seen_.empty() && *seen_.rbegin() >= ReplayWindow::kUsableBits &&
                        counter <= *seen_.rbegin() - ReplayWindow::kUsableBits;
    return !is_old && seen_.insert(counter).second;
  }
  [[nodiscard]] std::uint64_t greatest() const { return seen_.empty() ? 0 : *seen_.rbegin(); }

 private:
  std::set<std::uint64_t> seen_;
};

// Near what matters: the front, a word's and the window's end, or anywhere. The engine asks only
// about counters below the last that may be used.
std::uint64_t NextCounter(Input& input, std::uint64_t greatest) {
  std::uint64_t counter = 0;
  switch (input.Below(6)) {
    case 0:
      counter = greatest + 1;
      break;
    case 1:
      counter = greatest + input.Byte();
      break;
    case 2:
      counter = greatest - input.Byte();
      break;
    case 3:
      counter = greatest - ReplayWindow::kUsableBits + input.Byte() - 128;
      break;
    case 4:
      counter = greatest + input.U16();
      break;
    default:
      counter = input.U64();
  }
  return counter % wireguard::kRejectAfterMessages;
}

void FuzzReplayWindow(Input input) {
  ReplayWindow window;
  WindowOracle oracle;
  while (!input.empty()) {
    const std::uint64_t counter = NextCounter(input, oracle.greatest());
    Require(window.Accept(counter) == oracle.Accept(counter),
            "a counter is accepted once, and while it is in the window");
  }
}

ADIT_FUZZ_TARGET(replay_window, FuzzReplayWindow)

}  // namespace
}  // namespace adit::fuzz
