#include "dataplane/crypto/aead.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "dataplane/crypto/aead_providers.h"

namespace adit::crypto {
namespace {

struct Provider {
  std::string_view name;
  std::unique_ptr<Aead> (*make)();
};

// In the order of preference where the benchmark sees no difference.
constexpr std::array kProviders = {
#ifdef ADIT_HAVE_LANES
    Provider{"lanes", MakeLanesAead},
#endif
#ifdef ADIT_HAVE_IPSEC_MB
    Provider{"ipsec-mb", MakeIpsecMbAead},
#endif
    Provider{"openssl", MakeOpensslAead},
    Provider{"libsodium", MakeLibsodiumAead},
};

constexpr unsigned kSelfCheckRounds = 8;

std::unique_ptr<Aead> MakeChecked(const Provider& provider) {
  std::unique_ptr<Aead> aead = provider.make();
  if (aead != nullptr && !SelfCheck(*aead, kSelfCheckRounds)) {
    aead.reset();
  }
  return aead;
}

using Clock = std::chrono::steady_clock;
constexpr auto kBenchmarkTime = std::chrono::milliseconds(1);

// A train as it comes from a super-packet: packets of one size, the last one shorter.
class Train {
 public:
  Train(std::size_t packets, std::uint32_t size) : memory_(packets * (size + kAeadTagSize)) {
    for (std::size_t i = 0; i < packets; ++i) {
      const std::uint32_t length = i + 1 < packets ? size : size / 2;
      std::uint8_t* const data = memory_.data() + i * (size + kAeadTagSize);
      seal_.push_back({.data = data, .length = length, .counter = i});
      open_.push_back({.data = data, .length = length, .counter = i, .opened = false});
    }
  }
  void SealAndOpen(Aead& aead) {
    constexpr std::array<std::uint8_t, 32> kKey = {1};
    aead.Seal(kKey, seal_);
    aead.Open(kKey, open_);
  }

 private:
  std::vector<std::uint8_t> memory_;
  std::vector<SealJob> seal_;
  std::vector<OpenJob> open_;
};

// The shortest of the rounds that fit into kBenchmarkTime, a train of full-size packets, one of
// small ones and a packet alone: the shortest is the one no other thread disturbed.
Clock::duration ShortestRound(Aead& aead) {
  std::array<Train, 3> trains = {Train(20, 1424), Train(20, 64), Train(1, 1424)};
  Clock::duration shortest = Clock::duration::max();
  const Clock::time_point deadline = Clock::now() + kBenchmarkTime;
  Clock::time_point start = Clock::now();
  do {
    for (Train& train : trains) {
      train.SealAndOpen(aead);
    }
    const Clock::time_point end = Clock::now();
    shortest = std::min(shortest, end - start);
    start = end;
  } while (start < deadline);
  return shortest;
}

absl::StatusOr<std::unique_ptr<Aead>> MakeFastest() {
  std::unique_ptr<Aead> fastest;
  Clock::duration shortest = Clock::duration::max();
  for (const Provider& provider : kProviders) {
    std::unique_ptr<Aead> candidate = MakeChecked(provider);
    if (candidate == nullptr) {
      continue;
    }
    const Clock::duration round = ShortestRound(*candidate);
    if (round < shortest) {
      shortest = round;
      fastest = std::move(candidate);
    }
  }
  if (fastest == nullptr) {
    return FailedPrecondition("no AEAD provider passes its self-check");
  }
  return fastest;
}

}  // namespace

std::vector<std::string_view> AvailableAeads() {
  std::vector<std::string_view> names;
  for (const Provider& provider : kProviders) {
    if (MakeChecked(provider) != nullptr) {
      names.push_back(provider.name);
    }
  }
  return names;
}

absl::StatusOr<std::unique_ptr<Aead>> MakeAead(std::string_view name) {
  if (name == "auto") {
    return MakeFastest();
  }
  for (const Provider& provider : kProviders) {
    if (provider.name != name) {
      continue;
    }
    if (std::unique_ptr<Aead> aead = MakeChecked(provider)) {
      return aead;
    }
  }
  return InvalidArgument(fmt::format("AEAD provider \"{}\" is not available here; auto, {} are",
                                     name, fmt::join(AvailableAeads(), ", ")));
}

}  // namespace adit::crypto
