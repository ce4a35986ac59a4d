#include <fcntl.h>

#include <array>
#include <memory>
#include <numeric>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "common/unique_fd.h"
#include "dataplane/io/tun_writer.h"
#include "dataplane/packet/checksum.h"
#include "dataplane/packet/split.h"
#include "dataplane/wireguard/allowed_ips.h"
#include "tests/bench/adit_bench.h"
#include "tests/bench/super_packets.h"
#include "tests/support/seeded_random.h"

namespace adit::bench {
namespace {

using testing::SeededRandom;

// A table of random prefixes of one family, and addresses that lie in some of them.
class Routes {
 public:
  Routes(std::size_t count, bool is_v6) {
    SeededRandom random(count);
    std::uint32_t peer = 0;
    while (table_.size() < count) {
      std::array<std::uint8_t, 16> bytes{};
      random.Fill(MutableByteSpan(bytes).first(is_v6 ? 16U : 4U));
      const IpAddress address = is_v6 ? IpAddress::V6(bytes.data()) : IpAddress::V4(bytes.data());
      const auto length =
          static_cast<unsigned>(is_v6 ? 48 + random.Below(81) : 20 + random.Below(13));
      table_.Insert(IpPrefix(address, length), peer++ % 10'000);
      if (random.Below(count) < kAddresses || addresses_.empty()) {
        addresses_.push_back(address);
      }
    }
  }
  static constexpr std::size_t kAddresses = 4'096;

  wireguard::AllowedIps table_;
  std::vector<IpAddress> addresses_;
};

void LookUp(benchmark::State& state, std::size_t count, bool is_v6) {
  const Routes routes(count, is_v6);
  std::size_t next = 0;
  std::size_t found = 0;
  for (auto _ : state) {
    const auto peer = routes.table_.Lookup(routes.addresses_[next]);
    found += peer.has_value() ? 1U : 0U;
    next = next + 1 == routes.addresses_.size() ? 0 : next + 1;
  }
  if (found != static_cast<std::size_t>(state.iterations())) {
    state.SkipWithError("an address has no peer");
  }
  state.SetItemsProcessed(state.iterations());
}

void Split(benchmark::State& state, std::uint8_t protocol) {
  SuperPacketSource source(protocol);
  std::vector<std::uint8_t> out(packet::kMaxSuperPacketSize);
  std::int64_t packets = 0;
  for (auto _ : state) {
    const auto made = packet::Splitter::Make(source.Fresh());
    const auto* splitter = std::get_if<packet::Splitter>(&made);
    if (splitter == nullptr) {
      state.SkipWithError("the super-packet was refused");
      break;
    }
    for (std::size_t i = 0; i < splitter->segment_count(); ++i) {
      splitter->Write(i, MutableByteSpan(out).first(splitter->segment_size(i)));
      benchmark::ClobberMemory();
    }
    packets += static_cast<std::int64_t>(splitter->segment_count());
  }
  state.SetItemsProcessed(packets);
}

// The segments of a super-packet merged again and written to /dev/null at once.
void Merge(benchmark::State& state, std::uint8_t protocol) {
  SuperPacketSource source(protocol);
  const auto splitter = std::get<packet::Splitter>(packet::Splitter::Make(source.Fresh()));
  std::vector<std::vector<std::uint8_t>> packets;
  for (std::size_t i = 0; i < splitter.segment_count(); ++i) {
    packets.emplace_back(splitter.segment_size(i));
    splitter.Write(i, packets.back());
  }
  const UniqueFd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  io::SystemSyscalls syscalls;
  io::TunWriter writer(syscalls, null.get(), {.tcp = true, .udp = true});
  for (auto _ : state) {
    for (auto& packet : packets) {
      writer.Deliver(packet, 1);
    }
    writer.FlushDeliveries();
  }
  if (writer.counters().packets_merged != writer.counters().packets) {
    state.SkipWithError("packets were not merged");
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(packets.size()));
}

void Sum(benchmark::State& state, std::size_t size, bool copies) {
  const std::vector<std::uint8_t> from(size, 0x5a);
  std::vector<std::uint8_t> to(size);
  for (auto _ : state) {
    benchmark::DoNotOptimize(copies ? packet::CopyAndSumBytes(from, to.data())
                                    : packet::SumBytes(from));
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(size));
}

}  // namespace

void RegisterPackets() {
  for (const bool is_v6 : {false, true}) {
    for (const std::size_t count : {10U, 10'000U, 1'000'000U}) {
      benchmark::RegisterBenchmark(
          fmt::format("AllowedIps/{}/{}", is_v6 ? "v6" : "v4", count).c_str(),
          [=](benchmark::State& state) { LookUp(state, count, is_v6); });
    }
  }
  for (const auto& [name, protocol] : {std::pair("tcp", kTcp), std::pair("udp", kUdp)}) {
    benchmark::RegisterBenchmark(fmt::format("Split/{}", name).c_str(),
                                 [=](benchmark::State& state) { Split(state, protocol); });
    benchmark::RegisterBenchmark(fmt::format("Merge/{}", name).c_str(),
                                 [=](benchmark::State& state) { Merge(state, protocol); });
  }
  for (const std::size_t size : {20U, 64U, 576U, 1'380U, 16'384U}) {
    benchmark::RegisterBenchmark(fmt::format("Checksum/{}", size).c_str(),
                                 [=](benchmark::State& state) { Sum(state, size, false); });
    benchmark::RegisterBenchmark(fmt::format("CopyAndChecksum/{}", size).c_str(),
                                 [=](benchmark::State& state) { Sum(state, size, true); });
  }
}

}  // namespace adit::bench
