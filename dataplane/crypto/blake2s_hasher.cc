#include "dataplane/crypto/blake2s_hasher.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "dataplane/crypto/secret.h"

namespace adit::crypto {
namespace {

// RFC 7693, 2.6: those of SHA-256.
constexpr std::array<std::uint32_t, 8> kInitialState = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

// RFC 7693, 2.7: which word of the block each step of a round takes.
constexpr std::size_t kRounds = 10;
constexpr std::array<std::array<std::uint8_t, 16>, kRounds> kSchedule = {{
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
}};

using Words = std::array<std::uint32_t, 16>;

// RFC 7693, 3.1.
void Mix(Words& v, std::size_t a, std::size_t b, std::size_t c, std::size_t d, std::uint32_t x,
         std::uint32_t y) {
  v[a] += v[b] + x;
  v[d] = std::rotr(v[d] ^ v[a], 16);
  v[c] += v[d];
  v[b] = std::rotr(v[b] ^ v[c], 12);
  v[a] += v[b] + y;
  v[d] = std::rotr(v[d] ^ v[a], 8);
  v[c] += v[d];
  v[b] = std::rotr(v[b] ^ v[c], 7);
}

template <typename T, std::size_t N>
MutableByteSpan BytesOf(std::array<T, N>& words) {
  return {reinterpret_cast<std::uint8_t*>(words.data()), sizeof(words)};
}

}  // namespace

Blake2sHasher::Blake2sHasher(std::size_t size, ByteSpan key) : state_(kInitialState) {
  // The parameter block (RFC 7693, 2.5): fan-out and depth 1, lengths of key and result.
  state_[0] ^=
      0x01010000 ^ static_cast<std::uint32_t>(key.size() << 8) ^ static_cast<std::uint32_t>(size);
  if (!key.empty()) {
    std::memcpy(block_.data(), key.data(), key.size());
    block_size_ = kBlockSize;
  }
}

Blake2sHasher::~Blake2sHasher() {
  Wipe(BytesOf(state_));
  Wipe(block_);
}

void Blake2sHasher::Update(ByteSpan input) {
  while (!input.empty()) {
    if (block_size_ == kBlockSize) {
      hashed_bytes_ += kBlockSize;
      Compress(block_.data(), false);
      block_size_ = 0;
    }
    const std::size_t taken = std::min(input.size(), kBlockSize - block_size_);
    std::memcpy(block_.data() + block_size_, input.data(), taken);
    block_size_ += taken;
    input = input.subspan(taken);
  }
}

void Blake2sHasher::Finish(MutableByteSpan out) {
  hashed_bytes_ += block_size_;
  std::fill(block_.begin() + static_cast<std::ptrdiff_t>(block_size_), block_.end(), 0);
  Compress(block_.data(), true);
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<std::uint8_t>(state_[i / 4] >> (8 * (i % 4)));
  }
}

void Blake2sHasher::Compress(const std::uint8_t* block, bool is_last) {
  Words m;
  for (std::size_t i = 0; i < m.size(); ++i) {
    m[i] = LoadLe32(block + 4 * i);
  }
  Words v;
  std::copy(state_.begin(), state_.end(), v.begin());
  std::copy(kInitialState.begin(), kInitialState.end(), v.begin() + 8);
  v[12] ^= static_cast<std::uint32_t>(hashed_bytes_);
  v[13] ^= static_cast<std::uint32_t>(hashed_bytes_ >> 32);
  v[14] ^= is_last ? 0xffffffff : 0;
  for (const auto& s : kSchedule) {
    Mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
    Mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
    Mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
    Mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
    Mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
    Mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
    Mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
    Mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
  }
  for (std::size_t i = 0; i < state_.size(); ++i) {
    state_[i] ^= v[i] ^ v[i + 8];
  }
  Wipe(BytesOf(m));
  Wipe(BytesOf(v));
}

}  // namespace adit::crypto
