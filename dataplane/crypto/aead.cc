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

// The shortest of the rounds that fit into kBenchmarkTime; a round seals a batch of full-size and
// of small packets and opens it again. The shortest round is the one no other thread disturbed.
Clock::duration ShortestRound(Aead& aead) {
  constexpr std::size_t kPackets = 16;
  constexpr std::size_t kFullSize = 1424;
  constexpr std::size_t kSmallSize = 64;
  constexpr std::size_t kStride = kFullSize + kAeadTagSize;
  constexpr std::array<std::uint8_t, 32> kKey = {1};

  std::vector<std::uint8_t> packets(kPackets * kStride);
  std::array<SealJob, kPackets> seal;
  std::array<OpenJob, kPackets> open;
  for (std::size_t i = 0; i < kPackets; ++i) {
    const std::uint32_t length = i % 2 == 0 ? kFullSize : kSmallSize;
    seal[i] = {.data = packets.data() + i * kStride, .length = length, .counter = i};
    open[i] = {.data = seal[i].data, .length = length, .counter = i, .opened = false};
  }
  Clock::duration shortest = Clock::duration::max();
  const Clock::time_point deadline = Clock::now() + kBenchmarkTime;
  Clock::time_point start = Clock::now();
  do {
    aead.Seal(kKey, seal);
    aead.Open(kKey, open);
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
