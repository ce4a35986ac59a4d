// What one packet costs, part by part. Google Benchmark's flags; pin it:
//   taskset -c 0 adit_bench --benchmark_filter=Seal
// The time of a packet is the reciprocal of items_per_second. compare.py compares two runs.
#include "tests/bench/adit_bench.h"

#include "tests/bench/gso_rules.h"

namespace adit::bench {
namespace {

void SendThroughQueue(benchmark::State& state, std::size_t rule_index, const Traffic& traffic) {
  const auto rules = AllRules();
  Rule& rule = *rules[rule_index];
  std::int64_t datagrams = 0;
  std::size_t next = 0;
  for (auto _ : state) {
    const Burst& burst = traffic.bursts[next++ % traffic.bursts.size()];
    benchmark::DoNotOptimize(rule.Send(burst));
    datagrams += static_cast<std::int64_t>(burst.size());
  }
  state.SetItemsProcessed(datagrams);
}

}  // namespace

// Our queue and the rules it is compared with in gso_comparison: the others only model an order.
void RegisterGsoQueue() {
  const auto rules = AllRules();
  for (std::size_t i = 0; i < rules.size(); ++i) {
    for (const Traffic& traffic : TrafficMaker(1).All(200)) {
      benchmark::RegisterBenchmark(
          ("GsoQueue/" + rules[i]->name() + "/" + traffic.name).c_str(),
          [=](benchmark::State& state) { SendThroughQueue(state, i, traffic); });
    }
  }
}

}  // namespace adit::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 2;
  }
  adit::bench::RegisterCipher();
  adit::bench::RegisterPackets();
  adit::bench::RegisterEngine();
  adit::bench::RegisterGsoQueue();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
