#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "dataplane/crypto/aead.h"
#include "tests/bench/adit_bench.h"

namespace adit::bench {
namespace {

constexpr std::array<std::uint8_t, 32> kKey{7};

// A call's packets: `count` of `size` bytes, back to back as in a train.
class Train {
 public:
  Train(std::size_t count, std::size_t size)
      : size_(size), bytes_(count * (size + crypto::kAeadTagSize)), seal_(count), open_(count) {
    Number(0);
  }
  void Number(std::uint64_t first_counter) {
    for (std::size_t i = 0; i < seal_.size(); ++i) {
      std::uint8_t* const data = bytes_.data() + i * (size_ + crypto::kAeadTagSize);
      const auto length = static_cast<std::uint32_t>(size_);
      seal_[i] = {.data = data, .length = length, .counter = first_counter + i};
      open_[i] = {.data = data, .length = length, .counter = first_counter + i, .opened = false};
    }
  }
  [[nodiscard]] std::vector<std::uint8_t>& bytes() { return bytes_; }
  [[nodiscard]] std::vector<crypto::SealJob>& seal() { return seal_; }
  [[nodiscard]] std::vector<crypto::OpenJob>& open() { return open_; }

 private:
  std::size_t size_;
  std::vector<std::uint8_t> bytes_;
  std::vector<crypto::SealJob> seal_;
  std::vector<crypto::OpenJob> open_;
};

void CountPackets(benchmark::State& state, std::size_t count, std::size_t size) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(count));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(count * size));
}

void Seal(benchmark::State& state, const std::string& name, std::size_t count, std::size_t size) {
  const auto aead = crypto::MakeAead(name).value();
  Train train(count, size);
  std::uint64_t counter = 0;
  for (auto _ : state) {
    train.Number(counter);
    counter += count;
    aead->Seal(kKey, train.seal());
  }
  CountPackets(state, count, size);
}

// Opening destroys what it opens, so each round copies the sealed packets anew (30 ns of 1,424
// bytes).
void Open(benchmark::State& state, const std::string& name, std::size_t count, std::size_t size) {
  const auto aead = crypto::MakeAead(name).value();
  Train train(count, size);
  aead->Seal(kKey, train.seal());
  const std::vector<std::uint8_t> sealed = train.bytes();
  for (auto _ : state) {
    std::memcpy(train.bytes().data(), sealed.data(), sealed.size());
    aead->Open(kKey, train.open());
    if (!train.open().front().opened || !train.open().back().opened) {
      state.SkipWithError("a packet did not open");
    }
  }
  CountPackets(state, count, size);
}

}  // namespace

void RegisterCipher() {
  for (const std::string_view provider : crypto::AvailableAeads()) {
    const std::string name(provider);
    const auto add = [&](std::size_t count, std::size_t size) {
      benchmark::RegisterBenchmark(
          fmt::format("Seal/{}/{}x{}", name, count, size).c_str(),
          [=](benchmark::State& state) { Seal(state, name, count, size); });
      benchmark::RegisterBenchmark(
          fmt::format("Open/{}/{}x{}", name, count, size).c_str(),
          [=](benchmark::State& state) { Open(state, name, count, size); });
    };
    // A train as a super-packet makes it; then a packet alone and a few.
    for (const std::size_t size : {64U, 576U, 1'280U, 1'424U}) {
      add(45, size);
    }
    add(8, 16'384);
    for (const std::size_t count : {1U, 4U}) {
      add(count, 64);
      add(count, 1'424);
    }
  }
}

}  // namespace adit::bench
