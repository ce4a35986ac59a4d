// Prints, for each kind of traffic and each rule, datagrams per send and how many were reordered
// within their flow, as a Markdown table.  adit_gso_comparison [BURSTS=200] [SEED=1]
#include <cstdlib>

#include <fmt/format.h>

#include "tests/bench/gso_rules.h"

int main(int argc, char** argv) {
  const int bursts = argc > 1 ? std::atoi(argv[1]) : 200;
  const int seed = argc > 2 ? std::atoi(argv[2]) : 1;
  if (bursts < 1) {
    fmt::print(stderr, "usage: adit_gso_comparison [BURSTS=200] [SEED=1]\n");
    return 2;
  }
  const auto rules = adit::bench::AllRules();
  std::string header = "| datagrams per send (reordered) |";
  std::string line = "|---|";
  for (const auto& rule : rules) {
    header += fmt::format(" {} |", rule->name());
    line += "---:|";
  }
  fmt::print("{}\n{}\n", header, line);
  adit::bench::TrafficMaker maker(static_cast<std::uint32_t>(seed));
  for (const auto& traffic : maker.All(static_cast<std::size_t>(bursts))) {
    std::string row = fmt::format("| {} |", traffic.name);
    for (const auto& rule : rules) {
      const adit::bench::Outcome outcome = adit::bench::Measure(*rule, traffic);
      row += fmt::format(" {:.1f} ({}) |", outcome.datagrams_per_send(), outcome.reordered);
    }
    fmt::print("{}\n", row);
  }
  return 0;
}
