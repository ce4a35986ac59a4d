// Runs one schedule again and tells what happens in it: tests_sim_replay KIND SEED
#include <cstdlib>
#include <string_view>

#include "tests/sim/world.h"

int main(int argc, char** argv) {
  using namespace adit::sim;  // NOLINT(google-build-using-namespace)
  const std::string_view name = argc > 1 ? argv[1] : "";
  const auto kind = std::ranges::find(kKindNames, name);
  if (argc < 3 || kind == kKindNames.end()) {
    fmt::print(stderr,
               "usage: {} hosts|roaming|reconfiguration|everything|order|outage|day SEED [quiet]\n",
               argv[0]);
    return EXIT_FAILURE;
  }
  const bool is_quiet = argc > 3;
  const auto aead = adit::crypto::MakeAead("libsodium");
  const Scenario scenario = Scenario::Draw(static_cast<Kind>(kind - kKindNames.begin()),
                                           std::strtoull(argv[2], nullptr, 10));
  const Outcome outcome = World(scenario, **aead, is_quiet ? nullptr : stdout).Run();
  for (const std::string& violation : outcome.violations) {
    fmt::print("{}\n", violation);
  }
  fmt::print("trace {:016x}\n", outcome.trace);
  return outcome.violations.empty() ? EXIT_SUCCESS : EXIT_FAILURE;
}
