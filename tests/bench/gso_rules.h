#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/gso_traffic.h"

// Rules by which datagrams are gathered and sent, side by side: ours and those that came before.
namespace adit::bench {

// What a rule made of some traffic.
struct Outcome {
  std::uint64_t datagrams = 0;
  std::uint64_t sends = 0;
  std::uint64_t reordered = 0;  // datagrams that left after a later one of their flow
  [[nodiscard]] double datagrams_per_send() const {
    return sends == 0 ? 0 : static_cast<double>(datagrams) / static_cast<double>(sends);
  }
};

class Rule {
 public:
  virtual ~Rule() = default;
  [[nodiscard]] virtual std::string name() const = 0;
  // Takes the burst in and sends everything; each element is one send.
  virtual std::vector<Burst> Send(const Burst& burst) = 0;
};

[[nodiscard]] std::unique_ptr<Rule> OurRule();          // the real queue
[[nodiscard]] std::unique_ptr<Rule> FirstInFirstOut();  // per destination; a short end seals
[[nodiscard]] std::unique_ptr<Rule> LargerFirst();      // by size, whatever the flow
[[nodiscard]] std::unique_ptr<Rule> SmallestFirst();
[[nodiscard]] std::vector<std::unique_ptr<Rule>> AllRules();

[[nodiscard]] Outcome Measure(Rule& rule, const Traffic& traffic);

}  // namespace adit::bench
