#include "dataplane/crypto/aead.h"

#include <sodium.h>

#include <algorithm>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/dataplane/crypto/vectors.h"
#include "tests/support/seeded_random.h"

namespace adit::crypto {
namespace {

using Buffer = std::vector<std::uint8_t>;
using Key = std::array<std::uint8_t, 32>;
using testing::SeededRandom;

constexpr std::size_t kGap = 24;  // bytes between packets that no provider may touch

Buffer ReferenceSealed(const Key& key, std::uint64_t counter, ByteSpan plaintext) {
  std::array<std::uint8_t, 12> nonce{};
  StoreLe64(nonce.data() + 4, counter);
  Buffer out(plaintext.size() + kAeadTagSize);
  crypto_aead_chacha20poly1305_ietf_encrypt(out.data(), nullptr, plaintext.data(), plaintext.size(),
                                            nullptr, 0, nullptr, nonce.data(), key.data());
  return out;
}

// Packets of random content with gaps of random bytes between them.
struct Batch {
  Batch(SeededRandom& random, std::size_t packets, std::size_t max_length) {
    random.Fill(key);
    std::size_t total = 0;
    for (std::size_t i = 0; i < packets; ++i) {
      lengths.push_back(static_cast<std::uint32_t>(random.Below(max_length + 1)));
      counters.push_back(random.Next64());
      offsets.push_back(total);
      total += lengths.back() + kAeadTagSize + kGap;
    }
    plaintext.resize(total);
    random.Fill(plaintext);
    sealed = plaintext;
    for (std::size_t i = 0; i < packets; ++i) {
      const Buffer packet =
          ReferenceSealed(key, counters[i], ByteSpan(plaintext).subspan(offsets[i], lengths[i]));
      std::copy(packet.begin(), packet.end(), sealed.begin() + static_cast<long>(offsets[i]));
    }
  }

  [[nodiscard]] std::vector<SealJob> SealJobs(Buffer& memory) const {
    std::vector<SealJob> jobs;
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      jobs.push_back({memory.data() + offsets[i], lengths[i], counters[i]});
    }
    return jobs;
  }
  [[nodiscard]] std::vector<OpenJob> OpenJobs(Buffer& memory) const {
    std::vector<OpenJob> jobs;
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      jobs.push_back({memory.data() + offsets[i], lengths[i], counters[i], false});
    }
    return jobs;
  }
  [[nodiscard]] bool IsPlaintext(const Buffer& memory, std::size_t i) const {
    return std::equal(memory.begin() + static_cast<long>(offsets[i]),
                      memory.begin() + static_cast<long>(offsets[i] + lengths[i]),
                      plaintext.begin() + static_cast<long>(offsets[i]));
  }

  Key key{};
  std::vector<std::uint32_t> lengths;
  std::vector<std::uint64_t> counters;
  std::vector<std::size_t> offsets;
  Buffer plaintext;
  Buffer sealed;
};

class EveryAead : public ::testing::TestWithParam<std::string_view> {
 protected:
  std::unique_ptr<Aead> aead_ = MakeAead(GetParam()).value();
};

INSTANTIATE_TEST_SUITE_P(Provider, EveryAead, ::testing::ValuesIn(AvailableAeads()),
                         [](const auto& parameter) {
                           std::string name(parameter.param);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST_P(EveryAead, HasItsName) { EXPECT_EQ(aead_->name(), GetParam()); }

TEST_P(EveryAead, SealsRandomBatchesLikeLibsodium) {
  constexpr std::uint64_t kSeed = 20240601;
  SCOPED_TRACE(kSeed);
  SeededRandom random(kSeed);
  for (int round = 0; round < 40; ++round) {
    const Batch batch(random, 1 + random.Below(128), 9000);
    Buffer memory = batch.plaintext;
    aead_->Seal(batch.key, batch.SealJobs(memory));
    ASSERT_TRUE(memory == batch.sealed) << "round " << round;
  }
}

TEST_P(EveryAead, OpensRandomBatchesSealedByLibsodium) {
  constexpr std::uint64_t kSeed = 20240602;
  SCOPED_TRACE(kSeed);
  SeededRandom random(kSeed);
  for (int round = 0; round < 40; ++round) {
    const Batch batch(random, 1 + random.Below(128), 9000);
    Buffer memory = batch.sealed;
    std::vector<OpenJob> jobs = batch.OpenJobs(memory);
    aead_->Open(batch.key, jobs);
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      ASSERT_TRUE(jobs[i].opened) << "round " << round << ", packet " << i;
      ASSERT_TRUE(batch.IsPlaintext(memory, i)) << "round " << round << ", packet " << i;
    }
  }
}

TEST_P(EveryAead, SealsAndOpensEveryLengthUpTo600) {
  const Key key{9};
  for (std::uint32_t length = 0; length <= 600; ++length) {
    const Buffer plaintext(length, static_cast<std::uint8_t>(length));
    Buffer memory = plaintext;
    memory.resize(length + kAeadTagSize);
    const SealJob seal{memory.data(), length, length};
    aead_->Seal(key, {&seal, 1});
    ASSERT_EQ(memory, ReferenceSealed(key, length, plaintext));
    OpenJob open{memory.data(), length, length, false};
    aead_->Open(key, {&open, 1});
    ASSERT_TRUE(open.opened) << length;
    memory.resize(length);
    ASSERT_EQ(memory, plaintext);
  }
}

TEST_P(EveryAead, RefusesCorruptedPacketsAndOpensTheirNeighbours) {
  constexpr std::uint64_t kSeed = 20240603;
  SCOPED_TRACE(kSeed);
  SeededRandom random(kSeed);
  for (int round = 0; round < 60; ++round) {
    const Batch batch(random, 1 + random.Below(64), 1500);
    Buffer memory = batch.sealed;
    std::vector<OpenJob> jobs = batch.OpenJobs(memory);
    std::vector<bool> corrupted(jobs.size());
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      corrupted[i] = random.Chance(0.3);
      // `opened` of an earlier use must not survive a refusal.
      jobs[i].opened = corrupted[i];
      if (corrupted[i]) {
        const std::size_t bit = random.Below(8 * (jobs[i].length + kAeadTagSize));
        jobs[i].data[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
      }
    }
    aead_->Open(batch.key, jobs);
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      ASSERT_NE(jobs[i].opened, corrupted[i]) << "round " << round << ", packet " << i;
      if (jobs[i].opened) {
        ASSERT_TRUE(batch.IsPlaintext(memory, i));
      }
    }
  }
}

TEST_P(EveryAead, RefusesEveryFlippedBitOfTheTag) {
  const Key key{3};
  const Buffer sealed = ReferenceSealed(key, 5, Buffer(40, 1));
  for (std::size_t bit = 0; bit < 8 * kAeadTagSize; ++bit) {
    Buffer memory = sealed;
    memory[40 + bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    OpenJob job{memory.data(), 40, 5, true};
    aead_->Open(key, {&job, 1});
    ASSERT_FALSE(job.opened) << "bit " << bit;
  }
}

TEST_P(EveryAead, RefusesAnotherKeyAndAnotherCounter) {
  const Key key{3};
  const Key other{4};
  const Buffer sealed = ReferenceSealed(key, 5, Buffer(40, 1));
  Buffer memory = sealed;
  OpenJob job{memory.data(), 40, 5, false};
  aead_->Open(other, {&job, 1});
  EXPECT_FALSE(job.opened);
  memory = sealed;
  job.counter = 6;
  aead_->Open(key, {&job, 1});
  EXPECT_FALSE(job.opened);
  memory = sealed;
  job.counter = 5;
  aead_->Open(key, {&job, 1});
  EXPECT_TRUE(job.opened);
}

TEST_P(EveryAead, UsesAllEightBytesOfTheCounter) {
  const Key key{3};
  for (const std::uint64_t counter :
       {UINT64_C(0), UINT64_C(0xffffffff), UINT64_C(0x100000000), UINT64_C(0xffffffffffffffff)}) {
    Buffer memory(100 + kAeadTagSize, 2);
    const SealJob job{memory.data(), 100, counter};
    aead_->Seal(key, {&job, 1});
    EXPECT_EQ(memory, ReferenceSealed(key, counter, Buffer(100, 2))) << counter;
  }
}

TEST_P(EveryAead, TakesAnEmptyBatch) {
  const Key key{3};
  aead_->Seal(key, {});
  aead_->Open(key, {});
  EXPECT_TRUE(SelfCheck(*aead_, 4));
}

TEST_P(EveryAead, CarriesTheAccumulatorThroughItsEdges) {
  const nlohmann::json file = ReadVectors("chacha20_poly1305_accumulator.json");
  int count = 0;
  for (const nlohmann::json& vector : file.at("vectors")) {
    ++count;
    const auto key = BytesOf<32>(vector, "key");
    const Buffer plaintext = Bytes(vector, "plaintext");
    const auto length = static_cast<std::uint32_t>(plaintext.size());
    const std::uint64_t counter = std::stoull(vector.at("counter").get<std::string>());
    Buffer want = Bytes(vector, "ciphertext");
    const Buffer tag = Bytes(vector, "tag");
    want.insert(want.end(), tag.begin(), tag.end());

    Buffer memory = plaintext;
    memory.resize(length + kAeadTagSize);
    const SealJob seal{memory.data(), length, counter};
    aead_->Seal(key, {&seal, 1});
    EXPECT_EQ(memory, want) << vector.at("comment") << ", " << length << " bytes";
    OpenJob open{want.data(), length, counter, false};
    aead_->Open(key, {&open, 1});
    EXPECT_TRUE(open.opened) << vector.at("comment") << ", " << length << " bytes";
  }
  EXPECT_EQ(count, 169);
}

TEST(Aead, OffersWhatTheBuildAndTheCpuHave) {
  const std::vector<std::string_view> names = AvailableAeads();
  EXPECT_THAT(names, ::testing::IsSupersetOf({"openssl", "libsodium"}));
  std::size_t most = 2;
#ifdef ADIT_HAVE_IPSEC_MB
  ++most;
#endif
#ifdef ADIT_HAVE_LANES
  ++most;
  if (__builtin_cpu_supports("avx2") != 0) {
    EXPECT_THAT(names, ::testing::Contains("lanes"));
  }
#endif
  EXPECT_THAT(names, ::testing::SizeIs(::testing::Le(most)));
}

TEST_P(EveryAead, SealsAndOpensTrainsOfEveryNumberOfPackets) {
  constexpr std::uint64_t kSeed = 20240604;
  SCOPED_TRACE(kSeed);
  SeededRandom random(kSeed);
  for (std::size_t packets = 1; packets <= 64; ++packets) {
    Batch batch(random, packets, 0);
    for (const std::uint32_t size : {48U, 1424U}) {
      Buffer memory(packets * (size + kAeadTagSize), 5);
      Buffer want;
      std::vector<SealJob> seal;
      std::vector<OpenJob> open;
      for (std::size_t i = 0; i < packets; ++i) {
        const std::uint32_t length = i + 1 < packets ? size : size - 40;
        seal.push_back({memory.data() + i * (size + kAeadTagSize), length, batch.counters[i]});
        open.push_back({seal[i].data, length, batch.counters[i], false});
        const Buffer packet = ReferenceSealed(batch.key, batch.counters[i], Buffer(length, 5));
        want.insert(want.end(), packet.begin(), packet.end());
      }
      want.resize(memory.size(), 5);
      aead_->Seal(batch.key, seal);
      ASSERT_TRUE(memory == want) << packets << " packets of " << size;
      aead_->Open(batch.key, open);
      for (std::size_t i = 0; i < packets; ++i) {
        ASSERT_TRUE(open[i].opened) << packets << " packets of " << size << ", packet " << i;
        ASSERT_EQ(Buffer(open[i].data, open[i].data + open[i].length), Buffer(open[i].length, 5));
      }
    }
  }
}

TEST(Aead, ChoosesAnAvailableProviderByItself) {
  const auto aead = MakeAead("auto");
  ASSERT_TRUE(aead.ok());
  EXPECT_THAT(AvailableAeads(), ::testing::Contains((*aead)->name()));
  EXPECT_TRUE(SelfCheck(**aead, 8));
}

TEST(Aead, NamesTheAvailableProvidersWhenAskedForAnother) {
  for (const std::string_view name : {"aes-gcm", "", "OpenSSL", "auto "}) {
    const auto aead = MakeAead(name);
    ASSERT_FALSE(aead.ok());
    EXPECT_EQ(aead.status().code(), absl::StatusCode::kInvalidArgument);
    const std::string message(aead.status().message());
    EXPECT_THAT(message, ::testing::HasSubstr("\"" + std::string(name) + "\""));
    EXPECT_THAT(message, ::testing::HasSubstr("auto, "));
    EXPECT_THAT(message, ::testing::HasSubstr("openssl, libsodium"));
  }
}

// A provider with one fault in front of a sound one.
class FaultyAead final : public Aead {
 public:
  enum class Fault { kNone, kTag, kCiphertext, kWritesBehind, kOpensAll, kOpensNone, kPlaintext };

  explicit FaultyAead(Fault fault) : fault_(fault) {}
  [[nodiscard]] std::string_view name() const override { return "faulty"; }

  void Seal(std::span<const std::uint8_t, 32> key, std::span<const SealJob> jobs) override {
    sound_->Seal(key, jobs);
    const SealJob& job = jobs.back();
    if (fault_ == Fault::kTag) {
      job.data[job.length + kAeadTagSize - 1] ^= 0x80;
    } else if (fault_ == Fault::kCiphertext && job.length > 0) {
      job.data[job.length - 1] ^= 1;
    } else if (fault_ == Fault::kWritesBehind && jobs.size() > 1) {
      jobs.front().data[jobs.front().length + kAeadTagSize] ^= 1;
    }
  }

  void Open(std::span<const std::uint8_t, 32> key, std::span<OpenJob> jobs) override {
    sound_->Open(key, jobs);
    for (OpenJob& job : jobs) {
      if (fault_ == Fault::kOpensAll) {
        job.opened = true;
      } else if (fault_ == Fault::kOpensNone) {
        job.opened = false;
      } else if (fault_ == Fault::kPlaintext && job.length > 0) {
        job.data[0] ^= 1;
      }
    }
  }

 private:
  Fault fault_;
  std::unique_ptr<Aead> sound_ = MakeAead("libsodium").value();
};

TEST(AeadSelfCheck, PassesASoundProvider) {
  FaultyAead aead(FaultyAead::Fault::kNone);
  EXPECT_TRUE(SelfCheck(aead, 50));
}

TEST(AeadSelfCheck, FindsEachKindOfFault) {
  using Fault = FaultyAead::Fault;
  for (const Fault fault : {Fault::kTag, Fault::kCiphertext, Fault::kWritesBehind, Fault::kOpensAll,
                            Fault::kOpensNone, Fault::kPlaintext}) {
    FaultyAead aead(fault);
    EXPECT_FALSE(SelfCheck(aead, 50)) << static_cast<int>(fault);
  }
}

}  // namespace
}  // namespace adit::crypto
