// The many-packet kernels, of every width that this CPU runs, beside libsodium.
// ADIT_AEAD_PACKETS=N has the differential test seal and open at least N packets a kernel.
#include "dataplane/crypto/aead_lanes.h"

#include <sodium.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include "dataplane/crypto/libsodium.h"
#include "tests/dataplane/crypto/lanes16_without_avx512.h"
#include "tests/dataplane/crypto/vectors.h"
#include "tests/support/seeded_random.h"

namespace adit::crypto {
namespace {

using testing::SeededRandom;
using LaneKey = std::array<std::uint8_t, 32>;

constexpr std::size_t kMargin = 40;  // bytes behind each packet that nobody may touch

void SealByLibsodium(const LaneKey& key, const SealJob& job) {
  std::array<std::uint8_t, 12> nonce{};
  StoreLe64(nonce.data() + 4, job.counter);
  crypto_aead_chacha20poly1305_ietf_encrypt(job.data, nullptr, job.data, job.length, nullptr, 0,
                                            nullptr, nonce.data(), key.data());
}

// Packets of random bytes one behind the other, what libsodium makes of them, and the copy that a
// kernel works on.
class LaneBatch {
 public:
  LaneBatch(SeededRandom& random, const std::vector<std::uint32_t>& lengths) {
    random.Fill(key_);
    std::size_t total = 0;
    for (const std::uint32_t length : lengths) {
      offsets_.push_back(total);
      jobs_.push_back({.data = nullptr, .length = length, .counter = random.Next64()});
      total += length + kAeadTagSize + kMargin;
    }
    plaintext_.resize(total);
    std::array<std::uint8_t, randombytes_SEEDBYTES> seed{};
    random.Fill(seed);
    randombytes_buf_deterministic(plaintext_.data(), total, seed.data());
    sealed_ = plaintext_;
    for (const SealJob& job : JobsIn(sealed_)) {
      SealByLibsodium(key_, job);
    }
  }

  [[nodiscard]] ::testing::AssertionResult SealsAlike(const LaneKernel& kernel) {
    memory_ = plaintext_;
    const std::vector<SealJob> jobs = JobsIn(memory_);
    for (std::span<const SealJob> left = jobs; !left.empty();) {
      const auto group = left.first(std::min(left.size(), kernel.lanes));
      kernel.seal(key_, group);
      left = left.subspan(group.size());
    }
    return Matches(sealed_, "sealed");
  }

  // Turns one bit in some of the packets; those alone may be refused.
  [[nodiscard]] ::testing::AssertionResult OpensAllButTheCorrupted(const LaneKernel& kernel,
                                                                   SeededRandom& random) {
    memory_ = sealed_;
    std::vector<OpenJob> jobs;
    std::vector<bool> is_corrupted;
    for (const SealJob& job : JobsIn(memory_)) {
      is_corrupted.push_back(random.Below(4) == 0);
      // `opened` of an earlier use must not survive a refusal.
      jobs.push_back({job.data, job.length, job.counter, is_corrupted.back()});
      if (is_corrupted.back()) {
        const std::size_t bit = random.Below(8 * (job.length + kAeadTagSize));
        job.data[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
      }
    }
    for (std::span<OpenJob> left = jobs; !left.empty();) {
      const auto group = left.first(std::min(left.size(), kernel.lanes));
      kernel.open(key_, group);
      left = left.subspan(group.size());
    }
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      if (jobs[i].opened == is_corrupted[i]) {
        return ::testing::AssertionFailure()
               << "packet " << i << (jobs[i].opened ? " opened, corrupted" : " did not open");
      }
      if (!jobs[i].opened) {  // its bytes are unspecified, but not those behind it
        std::memcpy(jobs[i].data, plaintext_.data() + offsets_[i], jobs[i].length + kAeadTagSize);
      } else {  // the tag stays
        std::memcpy(jobs[i].data + jobs[i].length, plaintext_.data() + offsets_[i] + jobs[i].length,
                    kAeadTagSize);
      }
    }
    return Matches(plaintext_, "opened");
  }

 private:
  [[nodiscard]] std::vector<SealJob> JobsIn(std::vector<std::uint8_t>& memory) const {
    std::vector<SealJob> jobs = jobs_;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      jobs[i].data = memory.data() + offsets_[i];
    }
    return jobs;
  }

  [[nodiscard]] ::testing::AssertionResult Matches(const std::vector<std::uint8_t>& want,
                                                   const char* what) const {
    if (memory_ == want) {
      return ::testing::AssertionSuccess();
    }
    const auto place = std::mismatch(memory_.begin(), memory_.end(), want.begin()).first;
    const auto at = static_cast<std::size_t>(place - memory_.begin());
    const auto packet = std::upper_bound(offsets_.begin(), offsets_.end(), at) - 1;
    const auto index = static_cast<std::size_t>(packet - offsets_.begin());
    return ::testing::AssertionFailure()
           << what << " differs in packet " << index << " of " << jobs_.size() << " at byte "
           << at - *packet << " of " << jobs_[index].length;
  }

  LaneKey key_{};
  std::vector<std::size_t> offsets_;
  std::vector<SealJob> jobs_;
  std::vector<std::uint8_t> plaintext_;
  std::vector<std::uint8_t> sealed_;
  std::vector<std::uint8_t> memory_;
};

class EveryLaneKernel : public ::testing::TestWithParam<const LaneKernel*> {
 protected:
  void SetUp() override { InitLibsodium(); }
  const LaneKernel& kernel_ = *GetParam();
};

INSTANTIATE_TEST_SUITE_P(Instructions, EveryLaneKernel, ::testing::ValuesIn(LaneKernels()),
                         [](const auto& parameter) {
                           return "Lanes" + std::to_string(parameter.param->lanes);
                         });
INSTANTIATE_TEST_SUITE_P(WithoutAvx512, EveryLaneKernel,
                         ::testing::ValuesIn(Avx2LaneKernel() != nullptr
                                                 ? std::vector{Lanes16WithoutAvx512()}
                                                 : std::vector<const LaneKernel*>{}));
// A CPU without AVX2 runs none: LaneKernels.AreWhatTheCpuHas says which.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(EveryLaneKernel);

TEST(LaneKernels, AreWhatTheCpuHas) {
  std::string names;
  std::size_t lanes = 1024;
  for (const LaneKernel* kernel : LaneKernels()) {
    names += " " + std::string(kernel->instructions);
    EXPECT_LT(kernel->lanes, lanes) << "the widest comes first";
    lanes = kernel->lanes;
  }
  std::printf("many-packet kernels that run here:%s\n", names.empty() ? " none" : names.c_str());
  EXPECT_EQ(Avx2LaneKernel() != nullptr, __builtin_cpu_supports("avx2") != 0);
}

// Lengths of a batch: any, all the same (a train) or all but the last, or those of small packets.
std::vector<std::uint32_t> RandomLengths(SeededRandom& random, std::size_t packets) {
  const std::uint64_t kind = random.Below(5);
  const bool is_huge = random.Below(200) == 0;
  const std::uint32_t bound = is_huge ? 65'536 : 2'049;
  if (is_huge) {
    packets = 1 + packets % 17;
  }
  const auto common = static_cast<std::uint32_t>(random.Below(bound));
  std::vector<std::uint32_t> lengths;
  for (std::size_t i = 0; i < packets; ++i) {
    const bool is_short = kind == 1 && i + 1 == packets;
    switch (kind) {
      case 0:
        lengths.push_back(static_cast<std::uint32_t>(random.Below(bound)));
        break;
      case 1:
      case 2:
        lengths.push_back(is_short ? static_cast<std::uint32_t>(random.Below(common + 1)) : common);
        break;
      case 3:
        lengths.push_back(static_cast<std::uint32_t>(random.Below(200)));
        break;
      default:
        lengths.push_back(16 * static_cast<std::uint32_t>(random.Below(12)));
    }
  }
  return lengths;
}

TEST_P(EveryLaneKernel, SealsAndOpensRandomBatchesLikeLibsodium) {
  const char* const wanted = std::getenv("ADIT_AEAD_PACKETS");
  const std::uint64_t least = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 100'000;
  const std::uint64_t seed = wanted != nullptr ? randombytes_random() : 20'261'125;
  SeededRandom random(seed);
  std::uint64_t packets = 0;
  for (std::size_t round = 0; packets < least; ++round) {
    const std::vector<std::uint32_t> lengths = RandomLengths(random, 1 + round % 64);
    LaneBatch batch(random, lengths);
    ASSERT_TRUE(batch.SealsAlike(kernel_)) << "round " << round << ", seed " << seed;
    ASSERT_TRUE(batch.OpensAllButTheCorrupted(kernel_, random))
        << "round " << round << ", seed " << seed;
    packets += lengths.size();
  }
  std::printf("%llu packets\n", static_cast<unsigned long long>(packets));
}

TEST_P(EveryLaneKernel, TakesEveryLengthInEveryLane) {
  SeededRandom random(7);
  for (std::uint32_t length = 0; length <= 260; ++length) {
    std::vector<std::uint32_t> lengths(kernel_.lanes, 130);
    lengths[length % kernel_.lanes] = length;
    LaneBatch batch(random, lengths);
    ASSERT_TRUE(batch.SealsAlike(kernel_)) << length;
    ASSERT_TRUE(batch.OpensAllButTheCorrupted(kernel_, random)) << length;
  }
}

// Sums at the edges of the modulus and of the words they are kept in, in each lane in turn.
TEST_P(EveryLaneKernel, CarriesTheAccumulatorThroughItsEdges) {
  const nlohmann::json file = ReadVectors("chacha20_poly1305_accumulator.json");
  std::size_t count = 0;
  for (const nlohmann::json& vector : file.at("vectors")) {
    const auto key = BytesOf<32>(vector, "key");
    const std::vector<std::uint8_t> plaintext = Bytes(vector, "plaintext");
    std::vector<std::uint8_t> want = Bytes(vector, "ciphertext");
    const std::vector<std::uint8_t> tag = Bytes(vector, "tag");
    want.insert(want.end(), tag.begin(), tag.end());
    const std::size_t lane = count++ % kernel_.lanes;

    std::vector<std::vector<std::uint8_t>> memory(kernel_.lanes, plaintext);
    std::vector<SealJob> seal;
    std::vector<OpenJob> open;
    for (std::size_t i = 0; i < kernel_.lanes; ++i) {
      memory[i].resize(want.size());
      const std::uint64_t counter = std::stoull(vector.at("counter").get<std::string>());
      seal.push_back({memory[i].data(), static_cast<std::uint32_t>(plaintext.size()),
                      i == lane ? counter : counter + 1 + i});
      open.push_back({seal[i].data, seal[i].length, seal[i].counter, false});
    }
    kernel_.seal(key, seal);
    EXPECT_EQ(memory[lane], want) << vector.at("comment") << ", " << plaintext.size() << " bytes";
    kernel_.open(key, open);
    EXPECT_TRUE(open[lane].opened) << vector.at("comment");
    EXPECT_TRUE(std::equal(plaintext.begin(), plaintext.end(), memory[lane].begin()));
  }
  EXPECT_EQ(count, 169);
}

TEST_P(EveryLaneKernel, RefusesEveryFlippedBitOfTheTagInEveryLane) {
  const LaneKey key{3};
  for (std::size_t bit = 0; bit < 8 * kAeadTagSize; ++bit) {
    std::vector<std::array<std::uint8_t, 64>> memory(kernel_.lanes);
    std::vector<SealJob> seal;
    std::vector<OpenJob> open;
    for (std::size_t i = 0; i < kernel_.lanes; ++i) {
      seal.push_back({memory[i].data(), 40, i});
      open.push_back({memory[i].data(), 40, i, true});
    }
    kernel_.seal(key, seal);
    memory[bit % kernel_.lanes][40 + bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    kernel_.open(key, open);
    for (std::size_t i = 0; i < kernel_.lanes; ++i) {
      ASSERT_EQ(open[i].opened, i != bit % kernel_.lanes) << "bit " << bit << ", lane " << i;
    }
  }
}

}  // namespace
}  // namespace adit::crypto
