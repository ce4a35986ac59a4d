#include "dataplane/wireguard/cookie.h"

#include <algorithm>

#include "dataplane/crypto/handshake_aead.h"
#include "dataplane/wireguard/constants.h"

namespace adit::wireguard {
namespace {

constexpr std::size_t kMacsSize = 2 * crypto::kMacSize;

ByteSpan Mac1Of(ByteSpan message) {
  return message.subspan(message.size() - kMacsSize, crypto::kMacSize);
}
ByteSpan Mac2Of(ByteSpan message) { return message.last(crypto::kMacSize); }
ByteSpan BeforeMac1(ByteSpan message) { return message.first(message.size() - kMacsSize); }
ByteSpan BeforeMac2(ByteSpan message) { return message.first(message.size() - crypto::kMacSize); }

// MAC(secret, source address ‖ source port in network order).
crypto::Mac CookieFor(const crypto::SymmetricKey& secret, const Endpoint& source) {
  std::array<std::uint8_t, 18> bytes{};
  const ByteSpan address = source.address.bytes();
  std::ranges::copy(address, bytes.begin());
  StoreBe16(bytes.data() + address.size(), source.port);
  return crypto::KeyedBlake2s128(secret.bytes(), ByteSpan(bytes).first(address.size() + 2));
}

}  // namespace

bool CookieSecret::IsCurrent(Instant now) const {
  return made_ && now - *made_ < kCookieSecretLifetime;
}

std::optional<crypto::SymmetricKey> CookieSecret::Current(Instant now) const {
  const MutexLock lock(mutex_);
  return IsCurrent(now) ? std::optional(key_) : std::nullopt;
}

crypto::SymmetricKey CookieSecret::CurrentOrNew(Instant now) {
  const MutexLock lock(mutex_);
  if (!IsCurrent(now)) {
    random_.Fill(key_.mutable_bytes());
    made_ = now;
  }
  return key_;
}

bool CookieChecker::IsMac1Valid(ByteSpan message) const {
  const crypto::Mac mac = crypto::KeyedBlake2s128(identity_.mac1_key(), BeforeMac1(message));
  return crypto::ConstantTimeEqual(mac, Mac1Of(message));
}

bool CookieChecker::IsMac2Valid(ByteSpan message, const Endpoint& source, Instant now) const {
  if (crypto::IsAllZero(Mac2Of(message))) {
    return false;  // without a cookie, mac2 is zero: most of a flood costs no hash
  }
  const auto secret = secret_.Current(now);
  if (!secret) {
    return false;
  }
  const crypto::Mac cookie = CookieFor(*secret, source);
  const crypto::Mac mac = crypto::KeyedBlake2s128(cookie, BeforeMac2(message));
  return crypto::ConstantTimeEqual(mac, Mac2Of(message));
}

MacCheck CookieChecker::Check(ByteSpan message, const Endpoint& source, Instant now) const {
  if (!IsMac1Valid(message)) {
    return MacCheck::kInvalid;
  }
  return IsMac2Valid(message, source, now) ? MacCheck::kMac1AndCookie : MacCheck::kMac1Only;
}

void CookieChecker::WriteReply(ByteSpan message, const Endpoint& source, Instant now,
                               std::span<std::uint8_t, kCookieReplySize> out) {
  const crypto::Mac cookie = CookieFor(secret_.CurrentOrNew(now), source);
  StoreLe32(out.data(), static_cast<std::uint32_t>(MessageType::kCookieReply));
  // The sender's index of the message is the receiver of the reply.
  std::ranges::copy(message.subspan(kSenderAt, 4), out.begin() + kReceiverAt);
  const auto nonce = out.subspan<8, 24>();
  random_.Fill(nonce);
  crypto::XChaCha20Poly1305Seal(identity_.cookie_key(), nonce, cookie, Mac1Of(message),
                                out.subspan<32, 32>());
}

}  // namespace adit::wireguard
