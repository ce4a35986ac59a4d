#include "tests/sim/nat.h"

#include <gtest/gtest.h>

namespace adit::sim {
namespace {

using Mapping = NatOptions::Mapping;
using Filtering = NatOptions::Filtering;

const Endpoint kInside = *Endpoint::Parse("192.168.1.2:51820");
const Endpoint kServer = *Endpoint::Parse("192.0.2.1:51820");
const Endpoint kSameAddress = *Endpoint::Parse("192.0.2.1:7");
const Endpoint kOther = *Endpoint::Parse("192.0.2.2:51820");

constexpr Instant At(Duration since) { return Instant(seconds(100) + since); }

Nat MakeNat(const NatOptions& options) { return {options, *IpAddress::Parse("198.51.100.1"), 1}; }

TEST(Nat, MapsByInsideOrByInsideAndRemote) {
  for (const Mapping mapping : {Mapping::kEndpointIndependent, Mapping::kAddressAndPortDependent}) {
    Nat nat = MakeNat({.mapping = mapping});
    const Endpoint first = nat.TranslateOut(kInside, kServer, At({}));
    EXPECT_EQ(first.address, nat.address());
    EXPECT_EQ(nat.TranslateOut(kInside, kServer, At(seconds(1))), first);
    const bool is_same = nat.TranslateOut(kInside, kOther, At(seconds(1))) == first;
    EXPECT_EQ(is_same, mapping == Mapping::kEndpointIndependent);
  }
}

TEST(Nat, AdmitsWhomItsFilterAdmits) {
  for (const Filtering filtering : {Filtering::kEndpointIndependent, Filtering::kAddressDependent,
                                    Filtering::kAddressAndPortDependent}) {
    Nat nat = MakeNat({.filtering = filtering});
    const std::uint16_t port = nat.TranslateOut(kInside, kServer, At({})).port;
    const auto admits = [&](const Endpoint& remote) {
      return nat.TranslateIn(port, remote, At(seconds(1))) == kInside;
    };
    EXPECT_TRUE(admits(kServer));
    EXPECT_EQ(admits(kSameAddress), filtering != Filtering::kAddressAndPortDependent);
    EXPECT_EQ(admits(kOther), filtering == Filtering::kEndpointIndependent);
    EXPECT_FALSE(nat.TranslateIn(static_cast<std::uint16_t>(port + 1), kServer, At(seconds(1))));
  }
}

TEST(Nat, ForgetsWhatIsIdleAndKeepsWhatIsUsed) {
  for (const bool inbound_refreshes : {false, true}) {
    Nat nat = MakeNat({.lifetime = seconds(30), .inbound_refreshes = inbound_refreshes});
    const Endpoint first = nat.TranslateOut(kInside, kServer, At({}));
    EXPECT_TRUE(nat.TranslateIn(first.port, kServer, At(seconds(29))));
    EXPECT_EQ(nat.TranslateIn(first.port, kServer, At(seconds(40))).has_value(), inbound_refreshes);
    EXPECT_NE(nat.TranslateOut(kInside, kServer, At(seconds(200))), first);
    EXPECT_EQ(nat.mapping_count(), 1U);
  }
}

TEST(Nat, ARebindChangesThePort) {
  Nat nat = MakeNat({});
  const Endpoint first = nat.TranslateOut(kInside, kServer, At({}));
  nat.Rebind();
  EXPECT_FALSE(nat.TranslateIn(first.port, kServer, At(seconds(1))));
  EXPECT_NE(nat.TranslateOut(kInside, kServer, At(seconds(1))), first);
}

}  // namespace
}  // namespace adit::sim
