#pragma once

#include <benchmark/benchmark.h>

namespace adit::bench {

// Each adds its benchmarks to Google Benchmark's list.
void RegisterCipher();
void RegisterPackets();
void RegisterEngine();
void RegisterGsoQueue();

}  // namespace adit::bench
