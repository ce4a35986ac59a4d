#include "dataplane/wireguard/messages.h"

#include <vector>

#include <gtest/gtest.h>

namespace adit::wireguard {
namespace {

std::vector<std::uint8_t> Message(std::uint32_t type, std::size_t size) {
  std::vector<std::uint8_t> bytes(size);
  if (size >= 4) {
    StoreLe32(bytes.data(), type);
  }
  return bytes;
}

TEST(Messages, EveryHandshakeTypeHasExactlyOneSize) {
  const std::pair<MessageType, std::size_t> sizes[] = {{MessageType::kInitiation, 148},
                                                       {MessageType::kResponse, 92},
                                                       {MessageType::kCookieReply, 64}};
  for (const auto& [type, exact] : sizes) {
    for (std::size_t size = 0; size < 300; ++size) {
      const auto got = Classify(Message(static_cast<std::uint32_t>(type), size));
      EXPECT_EQ(got.has_value(), size == exact) << size;
    }
  }
  for (std::size_t size = 0; size < 300; ++size) {
    EXPECT_EQ(Classify(Message(4, size)).has_value(), size >= 32) << size;
  }
}

TEST(Messages, TheReservedBytesMustBeZeroAndTheTypeKnown) {
  for (std::uint32_t type = 0; type < 256; ++type) {
    const bool is_known = Classify(Message(type, 148)).has_value();
    EXPECT_EQ(is_known, type == 1 || type == 4) << type;
  }
  for (const std::uint32_t reserved : {0x100U, 0x10000U, 0x1000000U, 0xffffff00U}) {
    for (std::uint32_t type = 1; type <= 4; ++type) {
      EXPECT_EQ(Classify(Message(type | reserved, 148)), std::nullopt);
    }
  }
}

TEST(Messages, PaddingIsToSixteenAndNeverAboveTheMtu) {
  for (const std::size_t mtu : {576U, 1279U, 1280U, 1420U, 8999U}) {
    for (std::size_t length = 0; length <= mtu; ++length) {
      const std::size_t padded = PaddedLength(length, mtu);
      ASSERT_GE(padded, length);
      ASSERT_LE(padded, mtu);
      ASSERT_TRUE(padded % 16 == 0 || padded == mtu) << length;
      ASSERT_LT(padded - length, 16U);
    }
    EXPECT_EQ(PaddedLength(mtu + 3, mtu), mtu + 3) << "larger than the MTU: as it is";
  }
  EXPECT_EQ(PaddedLength(0, 1420), 0U) << "a keepalive";
  EXPECT_EQ(PaddedLength(77, 0), 80U);
}

}  // namespace
}  // namespace adit::wireguard
