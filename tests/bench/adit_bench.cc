// What one packet costs in the cipher and in the GSO queue. Google Benchmark's flags; pin it:
//   taskset -c 0 adit_bench --benchmark_filter=Seal
#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "dataplane/crypto/aead.h"
#include "tests/bench/gso_rules.h"

#include <benchmark/benchmark.h>

namespace adit::bench {
namespace {

constexpr std::size_t kPackets = 16;  // of a batch, as a train brings them
constexpr std::array<std::uint8_t, 32> kKey{7};

std::unique_ptr<crypto::Aead> Provider(const std::string& name) {
  return crypto::MakeAead(name).value();
}

void CountPackets(benchmark::State& state, std::size_t size) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kPackets));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kPackets * size));
}

void Seal(benchmark::State& state, const std::string& name, std::size_t size) {
  const auto aead = Provider(name);
  std::vector<std::uint8_t> bytes(kPackets * (size + crypto::kAeadTagSize));
  std::array<crypto::SealJob, kPackets> jobs;
  std::uint64_t counter = 0;
  for (auto _ : state) {
    for (std::size_t i = 0; i < kPackets; ++i) {
      jobs[i] = {.data = bytes.data() + i * (size + crypto::kAeadTagSize),
                 .length = static_cast<std::uint32_t>(size),
                 .counter = counter++};
    }
    aead->Seal(kKey, jobs);
  }
  CountPackets(state, size);
}

// Opening destroys what it opens, so each round copies the sealed packets anew (30 ns of 1,424
// bytes).
void Open(benchmark::State& state, const std::string& name, std::size_t size) {
  const auto aead = Provider(name);
  const std::size_t stride = size + crypto::kAeadTagSize;
  std::vector<std::uint8_t> sealed(kPackets * stride);
  std::array<crypto::SealJob, kPackets> seal_jobs;
  for (std::size_t i = 0; i < kPackets; ++i) {
    seal_jobs[i] = {.data = sealed.data() + i * stride,
                    .length = static_cast<std::uint32_t>(size),
                    .counter = i};
  }
  aead->Seal(kKey, seal_jobs);
  std::vector<std::uint8_t> bytes(sealed.size());
  std::array<crypto::OpenJob, kPackets> jobs;
  for (auto _ : state) {
    std::memcpy(bytes.data(), sealed.data(), sealed.size());
    for (std::size_t i = 0; i < kPackets; ++i) {
      jobs[i] = {.data = bytes.data() + i * stride,
                 .length = static_cast<std::uint32_t>(size),
                 .counter = i};
    }
    aead->Open(kKey, jobs);
    if (!jobs[0].opened || !jobs[kPackets - 1].opened) {
      state.SkipWithError("a packet did not open");
    }
  }
  CountPackets(state, size);
}

void Queue(benchmark::State& state, const Traffic& traffic) {
  const auto rule = OurRule();
  std::int64_t datagrams = 0;
  std::size_t next = 0;
  for (auto _ : state) {
    const Burst& burst = traffic.bursts[next++ % traffic.bursts.size()];
    benchmark::DoNotOptimize(rule->Send(burst));
    datagrams += static_cast<std::int64_t>(burst.size());
  }
  state.SetItemsProcessed(datagrams);
}

void Register() {
  for (const std::string_view provider : crypto::AvailableAeads()) {
    for (const std::size_t size : {64U, 512U, 1'424U}) {
      const std::string name(provider);
      benchmark::RegisterBenchmark(fmt::format("Seal/{}/{}", name, size).c_str(),
                                   [=](benchmark::State& state) { Seal(state, name, size); });
      benchmark::RegisterBenchmark(fmt::format("Open/{}/{}", name, size).c_str(),
                                   [=](benchmark::State& state) { Open(state, name, size); });
    }
  }
  for (const Traffic& traffic : TrafficMaker(1).All(200)) {
    benchmark::RegisterBenchmark(("GsoQueue/" + traffic.name).c_str(),
                                 [=](benchmark::State& state) { Queue(state, traffic); });
  }
}

}  // namespace
}  // namespace adit::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 2;
  }
  adit::bench::Register();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
