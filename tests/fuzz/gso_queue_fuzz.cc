// The GSO queue against the slow oracle of its property test: order within a flow, nothing lost or
// twice, batches that the kernel takes, exact room. The fuzzer makes the choices.
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/gso_world.h"

namespace adit::fuzz {
namespace {

void FuzzGsoQueue(Input input) {
  // At the end of the input: neither a rollback nor a fault.
  io::GsoWorld world([&] { return input.empty() ? std::uint16_t{1} : input.U16(); });
  for (int burst = 0; burst < 60 && !input.empty() && world.failure() == nullptr; ++burst) {
    world.Burst();
  }
  world.Finish();
  Require(world.failure() == nullptr, world.failure());
}

ADIT_FUZZ_TARGET(gso_queue, FuzzGsoQueue)

}  // namespace
}  // namespace adit::fuzz
