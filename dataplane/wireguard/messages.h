#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/bytes.h"
#include "common/ip_address.h"

// The four messages (WireGuard paper 5.4), as offsets into bytes: little endian, type in the first
// byte and three reserved zero bytes. Handshake messages have exactly these sizes.
//
//   initiation  type4 sender4 ephemeral32 static48 timestamp28 mac1(16) mac2(16)      = 148
//   response    type4 sender4 receiver4 ephemeral32 nothing16 mac1(16) mac2(16)       =  92
//   cookie      type4 receiver4 nonce24 cookie32                                      =  64
//   transport   type4 receiver4 counter8 ciphertext… tag16                            >= 32
namespace adit::wireguard {

enum class MessageType : std::uint8_t {
  kInitiation = 1,
  kResponse = 2,
  kCookieReply = 3,
  kTransport = 4,
};

inline constexpr std::size_t kInitiationSize = 148;
inline constexpr std::size_t kResponseSize = 92;
inline constexpr std::size_t kCookieReplySize = 64;
inline constexpr std::size_t kTransportHeaderSize = 16;
inline constexpr std::size_t kTransportOverhead = 32;  // header and tag
inline constexpr std::size_t kPaddingMultiple = 16;

// Offsets of fields.
inline constexpr std::size_t kSenderAt = 4;  // initiation and response
inline constexpr std::size_t kResponseReceiverAt = 8;
inline constexpr std::size_t kReceiverAt = 4;  // cookie reply and transport
inline constexpr std::size_t kCounterAt = 8;   // transport

// The type of a datagram whose size fits it: exact for handshakes and cookies, at least 32 for
// transport data; nullopt for everything else (the caller drops kUnknownMessage).
[[nodiscard]] std::optional<MessageType> Classify(ByteSpan datagram);

// The ciphertext length of an inner packet of `length` bytes under an MTU: padded to 16, never
// above the MTU (paper 5.4.6); mtu 0 means no limit.
[[nodiscard]] constexpr std::size_t PaddedLength(std::size_t length, std::size_t mtu) {
  const std::size_t padded = (length + kPaddingMultiple - 1) & ~(kPaddingMultiple - 1);
  if (mtu == 0 || padded <= mtu) {
    return padded;
  }
  return length < mtu ? mtu : length;
}

inline void WriteTransportHeader(std::uint8_t* out, std::uint32_t receiver, std::uint64_t counter) {
  StoreLe32(out, static_cast<std::uint32_t>(MessageType::kTransport));
  StoreLe32(out + kReceiverAt, receiver);
  StoreLe64(out + kCounterAt, counter);
}

}  // namespace adit::wireguard
