#pragma once

#include <cstdint>
#include <span>

#include "common/bytes.h"

// The AEADs of the handshake: one message at a time, with associated data. From libsodium; the
// packet path's batches are in aead.h.
namespace adit::crypto {

// ChaCha20-Poly1305 with nonce = 4 zero bytes and the counter, little endian. out has
// plaintext.size() + 16 bytes and may start where plaintext does.
void ChaCha20Poly1305Seal(std::span<const std::uint8_t, 32> key, std::uint64_t counter,
                          ByteSpan plaintext, ByteSpan associated_data, MutableByteSpan out);
// sealed has at least 16 bytes, out sealed.size() - 16. False leaves out unspecified.
[[nodiscard]] bool ChaCha20Poly1305Open(std::span<const std::uint8_t, 32> key,
                                        std::uint64_t counter, ByteSpan sealed,
                                        ByteSpan associated_data, MutableByteSpan out);

// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha), of cookie replies. Sizes as above.
void XChaCha20Poly1305Seal(std::span<const std::uint8_t, 32> key,
                           std::span<const std::uint8_t, 24> nonce, ByteSpan plaintext,
                           ByteSpan associated_data, MutableByteSpan out);
[[nodiscard]] bool XChaCha20Poly1305Open(std::span<const std::uint8_t, 32> key,
                                         std::span<const std::uint8_t, 24> nonce, ByteSpan sealed,
                                         ByteSpan associated_data, MutableByteSpan out);

}  // namespace adit::crypto
