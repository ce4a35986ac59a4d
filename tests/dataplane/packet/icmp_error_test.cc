#include "dataplane/packet/icmp_error.h"

#include <array>

#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"

namespace adit::packet {
namespace {

using testing::BuildPacket;
using testing::Bytes;

IpPacket Parsed(ByteSpan bytes) { return std::get<IpPacket>(ParseIpPacket(bytes)); }

Bytes ErrorAbout(IcmpErrorKind kind, const Bytes& original, const char* from,
                 std::uint32_t mtu = 0) {
  Bytes out(kMaxIcmpErrorSize, 0xee);
  out.resize(WriteIcmpError(kind, original, Parsed(original), *IpAddress::Parse(from), mtu, out));
  return out;
}

TEST(IcmpError, HasTheRightNumbersAndChecksumsAndGoesBackToTheSource) {
  struct Expected {
    IcmpErrorKind kind;
    std::uint8_t v4_type, v4_code, v6_type, v6_code;
  };
  for (const Expected& e : {Expected{IcmpErrorKind::kHostUnreachable, 3, 1, 1, 3},
                            Expected{IcmpErrorKind::kAdministrativelyProhibited, 3, 13, 1, 1},
                            Expected{IcmpErrorKind::kPacketTooBig, 3, 4, 2, 0}}) {
    const Bytes v4 = BuildPacket({.source = "100.64.0.2", .destination = "10.0.0.5"});
    const Bytes error = ErrorAbout(e.kind, v4, "10.9.9.9", 1280);
    EXPECT_TRUE(testing::HasValidChecksums(error));
    EXPECT_EQ(error[20], e.v4_type);
    EXPECT_EQ(error[21], e.v4_code);
    const IpPacket parsed = Parsed(error);
    EXPECT_EQ(parsed.source, *IpAddress::Parse("10.9.9.9"));
    EXPECT_EQ(parsed.destination, *IpAddress::Parse("100.64.0.2"));
    EXPECT_EQ(parsed.total_length, error.size());
    EXPECT_TRUE(std::equal(v4.begin(), v4.end(), error.begin() + 28)) << "quotes it whole";
    if (e.kind == IcmpErrorKind::kPacketTooBig) {
      EXPECT_EQ(LoadBe16(error.data() + 26), 1280);
    }

    const Bytes v6 = BuildPacket({.source = "fd00::2", .destination = "fd00::5"});
    const Bytes error6 = ErrorAbout(e.kind, v6, "fd00::9", 1280);
    EXPECT_TRUE(testing::HasValidChecksums(error6));
    EXPECT_EQ(error6[40], e.v6_type);
    EXPECT_EQ(error6[41], e.v6_code);
    EXPECT_TRUE(std::equal(v6.begin(), v6.end(), error6.begin() + 48));
    if (e.kind == IcmpErrorKind::kPacketTooBig) {
      EXPECT_EQ(LoadBe32(error6.data() + 44), 1280U);
    }
  }
}

TEST(IcmpError, QuotesAsMuchAsTheRfcsAllow) {
  for (const std::size_t payload : {0U, 1U, 500U, 547U, 548U, 549U, 1300U, 9000U}) {
    const Bytes v4 = BuildPacket({.payload = Bytes(payload, 7)});
    const Bytes error = ErrorAbout(IcmpErrorKind::kHostUnreachable, v4, "10.0.0.9");
    EXPECT_EQ(error.size(), std::min<std::size_t>(576, 28 + v4.size()));
    EXPECT_TRUE(testing::HasValidChecksums(error));
    const Bytes v6 =
        BuildPacket({.source = "fd00::2", .destination = "fd00::5", .payload = Bytes(payload, 7)});
    const Bytes error6 = ErrorAbout(IcmpErrorKind::kHostUnreachable, v6, "fd00::9");
    EXPECT_EQ(error6.size(), std::min<std::size_t>(1280, 48 + v6.size()));
    EXPECT_TRUE(testing::HasValidChecksums(error6));
  }
}

TEST(IcmpError, DoesNotQuoteThePaddingBehindThePacket) {
  Bytes padded = BuildPacket({});
  const std::size_t size = padded.size();
  padded.resize(size + 15, 0x99);
  const Bytes error = ErrorAbout(IcmpErrorKind::kHostUnreachable, padded, "10.0.0.9");
  EXPECT_EQ(error.size(), 28 + size);
}

TEST(IcmpError, NeedsASourceOfTheSameFamily) {
  EXPECT_TRUE(ErrorAbout(IcmpErrorKind::kHostUnreachable, BuildPacket({}), "fd00::1").empty());
  Bytes out(kMaxIcmpErrorSize);
  const Bytes original = BuildPacket({});
  EXPECT_EQ(WriteIcmpError(IcmpErrorKind::kHostUnreachable, original, Parsed(original), {}, 0, out),
            0U);
}

TEST(IcmpError, TheOriginalIsQuotedReadably) {
  const Bytes original = BuildPacket({.protocol = 6, .source_port = 1234, .destination_port = 443});
  const Bytes error = ErrorAbout(IcmpErrorKind::kHostUnreachable, original, "10.0.0.5");
  const auto quoted = ParseQuotedPacket(error, Parsed(error));
  ASSERT_TRUE(quoted.has_value());
  EXPECT_EQ(quoted->source_port, 1234);
  EXPECT_EQ(quoted->destination_port, 443);
}

TEST(IcmpError, MayNotAnswerErrorsRedirectsMulticastOrLaterFragments) {
  EXPECT_TRUE(MayAnswerWithError(Parsed(BuildPacket({}))));
  EXPECT_TRUE(MayAnswerWithError(Parsed(BuildPacket({.protocol = 1, .icmp_type = 8}))));
  for (const std::uint8_t type : Bytes{3, 4, 5, 11, 12}) {
    EXPECT_FALSE(MayAnswerWithError(Parsed(BuildPacket({.protocol = 1, .icmp_type = type}))));
  }
  Bytes v6 = BuildPacket({.source = "fd00::1", .destination = "fd00::2", .protocol = 58});
  const auto icmp6 = [&](std::uint8_t type) {
    v6[40] = type;
    return Parsed(v6);
  };
  EXPECT_TRUE(MayAnswerWithError(icmp6(128)));
  for (const std::uint8_t type : Bytes{1, 2, 3, 4, 127, 137}) {
    EXPECT_FALSE(MayAnswerWithError(icmp6(type))) << int{type};
  }
  for (const char* destination : {"224.0.0.5", "239.1.2.3", "255.255.255.255"}) {
    EXPECT_FALSE(MayAnswerWithError(Parsed(BuildPacket({.destination = destination}))));
  }
  EXPECT_FALSE(
      MayAnswerWithError(Parsed(BuildPacket({.source = "fd00::1", .destination = "ff02::1"}))));
  EXPECT_FALSE(MayAnswerWithError(Parsed(BuildPacket({.source = "0.0.0.0"}))));
  EXPECT_FALSE(MayAnswerWithError(Parsed(BuildPacket({.source = "224.0.0.1"}))));
  const auto fragments =
      testing::FragmentIpv4(BuildPacket({.payload = Bytes(2000, 1), .dont_fragment = false}), 800);
  EXPECT_TRUE(MayAnswerWithError(Parsed(fragments[0])));
  EXPECT_FALSE(MayAnswerWithError(Parsed(fragments[1])));
}

}  // namespace
}  // namespace adit::packet
