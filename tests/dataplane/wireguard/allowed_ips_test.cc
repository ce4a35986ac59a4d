#include "dataplane/wireguard/allowed_ips.h"

#include <map>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/seeded_random.h"

namespace adit::wireguard {
namespace {

using PeerId = AllowedIps::PeerId;

IpPrefix Prefix(const std::string& text) { return *IpPrefix::Parse(text); }
// A list, searched from end to end.
class ListOracle {
 public:
  std::optional<PeerId> Insert(const IpPrefix& prefix, PeerId peer) {
    const auto [at, is_new] = peers_.try_emplace(prefix, peer);
    const PeerId before = std::exchange(at->second, peer);
    return is_new || before == peer ? std::nullopt : std::optional(before);
  }
  bool Remove(const IpPrefix& prefix, PeerId peer) {
    const auto at = peers_.find(prefix);
    if (at == peers_.end() || at->second != peer) {
      return false;
    }
    peers_.erase(at);
    return true;
  }
  void RemoveAllOf(PeerId peer) {
    std::erase_if(peers_, [&](const auto& entry) { return entry.second == peer; });
  }
  [[nodiscard]] std::optional<PeerId> Lookup(const IpAddress& address) const {
    std::optional<PeerId> best;
    int length = -1;
    for (const auto& [prefix, peer] : peers_) {
      if (prefix.Contains(address) && static_cast<int>(prefix.length()) > length) {
        best = peer;
        length = static_cast<int>(prefix.length());
      }
    }
    return best;
  }
  [[nodiscard]] std::vector<IpPrefix> PrefixesOf(PeerId peer) const {
    std::vector<IpPrefix> prefixes;
    for (const auto& [prefix, owner] : peers_) {
      if (owner == peer) {
        prefixes.push_back(prefix);
      }
    }
    return prefixes;
  }
  [[nodiscard]] std::size_t size() const { return peers_.size(); }

 private:
  std::map<IpPrefix, PeerId> peers_;
};

// Addresses that share long prefixes, so that forks at every depth and exact hits are common.
IpAddress RandomAddress(testing::SeededRandom& random) {
  std::uint8_t bytes[16];
  random.Fill(bytes);
  const bool is_v6 = random.Below(2) == 0;
  const std::size_t size = is_v6 ? 16 : 4;
  for (std::size_t i = 0; i < size; ++i) {
    if (random.Below(4) != 0) {
      bytes[i] = random.Below(2) == 0 ? 0x20 : 0x21;
    }
  }
  return is_v6 ? IpAddress::V6(bytes) : IpAddress::V4(bytes);
}

IpAddress FlipABit(const IpAddress& address, testing::SeededRandom& random) {
  std::uint8_t bytes[16] = {};
  std::ranges::copy(address.bytes(), bytes);
  const auto bit = random.Below(address.bit_count());
  bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ (0x80U >> (bit % 8)));
  return address.is_v6() ? IpAddress::V6(bytes) : IpAddress::V4(bytes);
}

TEST(AllowedIps, LongestPrefixWins) {
  AllowedIps table;
  (void)table.Insert(Prefix("0.0.0.0/0"), 1);
  (void)table.Insert(Prefix("10.0.0.0/8"), 2);
  (void)table.Insert(Prefix("10.1.0.0/16"), 3);
  (void)table.Insert(Prefix("10.1.2.3/32"), 4);
  (void)table.Insert(Prefix("::/0"), 5);
  (void)table.Insert(Prefix("2001:db8::/32"), 6);
  (void)table.Insert(Prefix("2001:db8::1/128"), 7);
  EXPECT_EQ(table.Lookup(*IpAddress::Parse("192.0.2.1")), 1U);
  EXPECT_EQ(table.Lookup(*IpAddress::Parse("10.200.0.1")), 2U);
  EXPECT_EQ(table.Lookup(*IpAddress::Parse("10.1.2.4")), 3U);
  EXPECT_EQ(table.Lookup(*IpAddress::Parse("10.1.2.3")), 4U);
  EXPECT_EQ(table.Lookup(*IpAddress::Parse("fe80::1")), 5U);
  EXPECT_EQ(table.Lookup(*IpAddress::Parse("2001:db8::2")), 6U);
  EXPECT_EQ(table.Lookup(*IpAddress::Parse("2001:db8::1")), 7U);
  EXPECT_EQ(table.Lookup(IpAddress()), std::nullopt);
}

TEST(AllowedIps, R13_APrefixMovesToTheLastPeerThatClaimsIt) {
  AllowedIps table;
  EXPECT_EQ(table.Insert(Prefix("10.0.0.0/8"), 1), std::nullopt);
  EXPECT_EQ(table.Insert(Prefix("10.0.0.0/8"), 1), std::nullopt);
  EXPECT_EQ(table.Insert(Prefix("10.0.0.0/8"), 2), 1U);
  EXPECT_EQ(table.Lookup(*IpAddress::Parse("10.0.0.1")), 2U);
  EXPECT_TRUE(table.PrefixesOf(1).empty());
  EXPECT_FALSE(table.Remove(Prefix("10.0.0.0/8"), 1)) << "no longer its own";
  EXPECT_TRUE(table.Remove(Prefix("10.0.0.0/8"), 2));
  EXPECT_EQ(table.Lookup(*IpAddress::Parse("10.0.0.1")), std::nullopt);
  EXPECT_EQ(table.size(), 0U);
}

TEST(AllowedIps, AgreesWithALinearSearchOverRandomHistories) {
  constexpr PeerId kPeers = 12;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(seed);
    testing::SeededRandom random(seed);
    AllowedIps table;
    ListOracle oracle;
    std::vector<IpPrefix> used;
    for (int i = 0; i < 300; ++i) {
      const auto peer = static_cast<PeerId>(random.Below(kPeers));
      const std::uint64_t action = random.Below(20);
      if (action < 13 || used.empty()) {
        const IpAddress address = RandomAddress(random);
        const IpPrefix prefix(address,
                              static_cast<unsigned>(random.Below(address.bit_count() + 1)));
        used.push_back(prefix);
        ASSERT_EQ(table.Insert(prefix, peer), oracle.Insert(prefix, peer));
      } else if (action < 19) {
        const IpPrefix prefix = used[random.Below(used.size())];
        ASSERT_EQ(table.Remove(prefix, peer), oracle.Remove(prefix, peer));
      } else {
        table.RemoveAllOf(peer);
        oracle.RemoveAllOf(peer);
      }
      ASSERT_EQ(table.size(), oracle.size());
      for (int query = 0; query < 4; ++query) {
        IpAddress address = RandomAddress(random);
        if (!used.empty() && query != 0) {
          const IpPrefix& near = used[random.Below(used.size())];
          address = random.Below(2) == 0 ? near.address() : FlipABit(near.address(), random);
        }
        ASSERT_EQ(table.Lookup(address), oracle.Lookup(address)) << address.ToString();
      }
    }
    for (PeerId peer = 0; peer < kPeers; ++peer) {
      ASSERT_EQ(table.PrefixesOf(peer), oracle.PrefixesOf(peer));
      table.RemoveAllOf(peer);
    }
    EXPECT_EQ(table.size(), 0U);
    for (const IpPrefix& prefix : used) {
      ASSERT_EQ(table.Lookup(prefix.address()), std::nullopt);
    }
  }
}

}  // namespace
}  // namespace adit::wireguard
