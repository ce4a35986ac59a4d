#include "dataplane/state/record.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>

#include <openssl/evp.h>

#include "dataplane/state/encoding.h"

namespace adit::state {
namespace {

constexpr std::size_t kHeadFieldsSize = 16;
constexpr std::size_t kHeadCheckSize = 8;
static_assert(kHeadFieldsSize + kHeadCheckSize == kRecordHeadSize);

using Check = std::array<char, 32>;

Check CheckOf(std::string_view domain, std::string_view head, std::string_view body) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  std::uint8_t hash[EVP_MAX_MD_SIZE];
  char domain_size[8];
  const std::uint64_t size = domain.size();
  std::memcpy(domain_size, &size, sizeof size);
  const bool ok = context != nullptr &&
                  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1 &&
                  EVP_DigestUpdate(context.get(), domain_size, sizeof domain_size) == 1 &&
                  EVP_DigestUpdate(context.get(), domain.data(), domain.size()) == 1 &&
                  EVP_DigestUpdate(context.get(), head.data(), head.size()) == 1 &&
                  EVP_DigestUpdate(context.get(), body.data(), body.size()) == 1 &&
                  EVP_DigestFinal_ex(context.get(), hash, nullptr) == 1;
  if (!ok) {
    std::abort();  // out of memory or a libcrypto without SHA-256: no file can be trusted
  }
  Check check{};
  std::memcpy(check.data(), hash, check.size());
  return check;
}

}  // namespace

void RecordPlace::Bind(const FileId& id) {
  for (const std::uint8_t byte : id) {
    domain.push_back(static_cast<char>(byte));
  }
}

std::string EncodeRecord(RecordPlace& place, std::uint32_t tag, std::string_view body) {
  Encoder encoder;
  encoder.U32(static_cast<std::uint32_t>(body.size()));
  encoder.U32(tag);
  encoder.U64(place.sequence);
  std::string record = encoder.Take();
  record.append(CheckOf(place.domain, record, {}).data(), kHeadCheckSize);
  const Check body_check = CheckOf(place.domain, record, body);
  record.append(body);
  record.append(body_check.data(), kRecordCheckSize);
  ++place.sequence;
  return record;
}

RecordReader::RecordReader(int fd, std::string_view purpose)
    : fd_(fd), place_(RecordPlace::First(purpose)) {
  struct stat status {};
  if (fstat(fd, &status) != 0) {
    error_number_ = errno;
  } else {
    size_ = static_cast<std::uint64_t>(status.st_size);
  }
}

bool RecordReader::ReadAt(std::uint64_t offset, char* out, std::size_t size) {
  while (size != 0) {
    const ssize_t got = pread(fd_, out, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      error_number_ = got < 0 ? errno : EIO;
      return false;
    }
    out += got;
    offset += static_cast<std::uint64_t>(got);
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

RecordReader::Result RecordReader::Next(std::uint32_t& tag, std::string& body) {
  if (error_number_ != 0) {
    return Result::kError;
  }
  const std::uint64_t remaining = size_ - offset_;
  if (remaining == 0) {
    return Result::kEnd;
  }
  if (remaining < kRecordHeadSize) {
    return Result::kTorn;
  }
  char head[kRecordHeadSize];
  if (!ReadAt(offset_, head, sizeof head)) {
    return Result::kError;
  }
  const std::string_view head_view(head, sizeof head);
  const std::string_view fields = head_view.substr(0, kHeadFieldsSize);
  const Check head_check = CheckOf(place_.domain, fields, {});
  Decoder decoder(fields);
  const std::uint32_t length = decoder.U32();
  tag = decoder.U32();
  const std::uint64_t sequence = decoder.U64();
  if (std::memcmp(head_check.data(), head + kHeadFieldsSize, kHeadCheckSize) != 0 ||
      length > kMaxRecordBody || sequence != place_.sequence) {
    return Result::kCorrupt;
  }
  if (remaining < kRecordHeadSize + length + kRecordCheckSize) {
    return Result::kTorn;
  }
  body.resize(length + kRecordCheckSize);
  if (!ReadAt(offset_ + kRecordHeadSize, body.data(), body.size())) {
    return Result::kError;
  }
  const Check body_check =
      CheckOf(place_.domain, head_view, std::string_view(body).substr(0, length));
  if (std::memcmp(body_check.data(), body.data() + length, kRecordCheckSize) != 0) {
    return Result::kCorrupt;
  }
  body.resize(length);
  offset_ += kRecordHeadSize + length + kRecordCheckSize;
  ++place_.sequence;
  return Result::kRecord;
}

}  // namespace adit::state
