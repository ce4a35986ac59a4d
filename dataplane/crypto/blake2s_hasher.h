#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/bytes.h"

namespace adit::crypto {

// BLAKE2s (RFC 7693), incremental. Written out because libcrypto's allocates a context for every
// hash, and a handshake computes half a hundred on the packets' thread; the tests compare it with
// libcrypto's and with the published vectors. Constant time: no branch and no index depends on
// data.
//
// Wiped when destroyed. Thread: one.
class Blake2sHasher {
 public:
  static constexpr std::size_t kBlockSize = 64;
  static constexpr std::size_t kMaxSize = 32;

  // size: bytes of the result, 1 to 32. key: 0 to 32 bytes; empty hashes without a key.
  explicit Blake2sHasher(std::size_t size = kMaxSize, ByteSpan key = {});
  Blake2sHasher(const Blake2sHasher&) = delete;
  Blake2sHasher& operator=(const Blake2sHasher&) = delete;
  ~Blake2sHasher();

  void Update(ByteSpan input);
  // Writes the `size` bytes of the result. Once.
  void Finish(MutableByteSpan out);

 private:
  void Compress(const std::uint8_t* block, bool is_last);

  std::array<std::uint32_t, 8> state_;
  std::uint64_t hashed_bytes_ = 0;
  std::array<std::uint8_t, kBlockSize> block_{};  // not yet hashed: the last block is marked
  std::size_t block_size_ = 0;
};

}  // namespace adit::crypto
