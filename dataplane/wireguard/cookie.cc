#include "dataplane/wireguard/cookie.h"

#include <algorithm>

#include "dataplane/crypto/handshake_aead.h"
#include "dataplane/wireguard/constants.h"
#include "dataplane/wireguard/labels.h"

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

bool CookieChecker::IsMac1Valid(ByteSpan message) const {
  const crypto::Mac mac = crypto::KeyedBlake2s128(identity_.mac1_key(), BeforeMac1(message));
  return crypto::ConstantTimeEqual(mac, Mac1Of(message));
}

MacCheck CookieChecker::Check(ByteSpan message, const Endpoint& source, Instant now) {
  if (!IsMac1Valid(message)) {
    return MacCheck::kInvalid;
  }
  const bool is_secret_current = has_secret_ && now - secret_made_ < kCookieSecretLifetime;
  if (!is_secret_current) {
    return MacCheck::kMac1Only;
  }
  const crypto::Mac cookie = CookieFor(secret_, source);
  const crypto::Mac mac = crypto::KeyedBlake2s128(cookie, BeforeMac2(message));
  return crypto::ConstantTimeEqual(mac, Mac2Of(message)) ? MacCheck::kMac1AndCookie
                                                         : MacCheck::kMac1Only;
}

void CookieChecker::WriteReply(ByteSpan message, const Endpoint& source, Instant now,
                               std::span<std::uint8_t, kCookieReplySize> out) {
  RotateSecret(now);
  StoreLe32(out.data(), static_cast<std::uint32_t>(MessageType::kCookieReply));
  // The sender's index of the message is the receiver of the reply.
  std::ranges::copy(message.subspan(kSenderAt, 4), out.begin() + kReceiverAt);
  const auto nonce = out.subspan<8, 24>();
  random_.Fill(nonce);
  const crypto::Hash key = crypto::Blake2s({kCookieLabel, identity_.public_key().bytes()});
  crypto::XChaCha20Poly1305Seal(key, nonce, CookieFor(secret_, source), Mac1Of(message),
                                out.subspan<32, 32>());
}

void CookieChecker::RotateSecret(Instant now) {
  if (!has_secret_ || now - secret_made_ >= kCookieSecretLifetime) {
    random_.Fill(secret_.mutable_bytes());
    secret_made_ = now;
    has_secret_ = true;
  }
}

}  // namespace adit::wireguard
