#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/status.h>

#include "common/bytes.h"

// Checksummed records one after another in a file:
//
//   length u32 │ tag u32 │ sequence u64 │ head check 8 │ body … │ body check 16
//
// The checks are the first bytes of SHA-256 over a domain and what precedes them. The domain is
// the file's purpose, and from the second record on also the random id its first record carries,
// so that a record is good only at its own place in its own file. The head has a check of its own
// because a length that cannot be trusted must not pass for a record torn by a crash.
namespace adit::state {

inline constexpr std::size_t kRecordHeadSize = 24;
inline constexpr std::size_t kRecordCheckSize = 16;
inline constexpr std::size_t kMaxRecordBody = std::size_t{32} << 20;

using FileId = std::array<std::uint8_t, 16>;

// Where a record belongs.
struct RecordPlace {
  std::string domain;
  std::uint64_t sequence = 0;

  [[nodiscard]] static RecordPlace First(std::string_view purpose) {
    return {std::string(purpose), 0};
  }
  // For the records after the one that carried `id`.
  void Bind(const FileId& id);
};

// The record's bytes; `place` moves on to the next. body.size() must be <= kMaxRecordBody.
[[nodiscard]] std::string EncodeRecord(RecordPlace& place, std::uint32_t tag,
                                       std::string_view body);

// Reads a file's records in order.
class RecordReader {
 public:
  enum class Result : std::uint8_t {
    kRecord,
    kEnd,      // exactly after a whole record
    kTorn,     // the file ends inside a record: its write was cut short
    kCorrupt,  // a check does not match
    kError,    // read failed; error_number() says why
  };

  // Borrows fd and reads it with pread from 0 to its size at this moment.
  RecordReader(int fd, std::string_view purpose);

  // body holds the record's content only after kRecord; it is overwritten.
  Result Next(std::uint32_t& tag, std::string& body);
  [[nodiscard]] RecordPlace& place() { return place_; }
  // Just after the last whole record: where a torn tail is cut.
  [[nodiscard]] std::uint64_t offset() const { return offset_; }
  [[nodiscard]] int error_number() const { return error_number_; }

 private:
  bool ReadAt(std::uint64_t offset, char* out, std::size_t size);

  int fd_;
  RecordPlace place_;
  std::uint64_t size_ = 0;
  std::uint64_t offset_ = 0;
  int error_number_ = 0;
};

}  // namespace adit::state
