#include "dataplane/io/tun_reader.h"

#include <cerrno>

#include "dataplane/io/virtio_header.h"

namespace adit::io {
namespace {

using Outcome = TunRead::Outcome;

constexpr std::size_t kReadSize = kVirtioHeaderSize + packet::kMaxSuperPacketSize;

}  // namespace

TunReader::TunReader(Syscalls& syscalls, int tun_fd)
    : syscalls_(syscalls), fd_(tun_fd), buffer_(MakeBuffer()) {}

TunReader::Buffer TunReader::MakeBuffer() {
  return std::make_unique_for_overwrite<std::uint8_t[]>(kReadSize);
}

TunRead TunReader::Read() {
  const std::ptrdiff_t result =
      Uninterrupted([this] { return syscalls_.Read(fd_, buffer_.get(), kReadSize); });
  if (result == -EAGAIN) {
    return {.outcome = Outcome::kEmpty, .packet = {}, .error = 0};
  }
  if (result < 0) {
    ++counters_.failures;
    return {.outcome = Outcome::kFailed, .packet = {}, .error = static_cast<int>(-result)};
  }
  const auto size = static_cast<std::size_t>(result);
  const bool has_packet = size > kVirtioHeaderSize && size <= kReadSize;
  const auto offload = has_packet
                           ? ReadVirtioHeader(std::span<const std::uint8_t, kVirtioHeaderSize>(
                                 buffer_.get(), kVirtioHeaderSize))
                           : std::nullopt;
  if (!offload) {
    ++counters_.bad_virtio_headers;
    return {.outcome = Outcome::kDropped, .packet = {}, .error = 0};
  }
  const std::size_t packet_size = size - kVirtioHeaderSize;
  ++counters_.reads;
  counters_.bytes += packet_size;
  return {.outcome = Outcome::kPacket,
          .packet = {{buffer_.get() + kVirtioHeaderSize, packet_size}, *offload},
          .error = 0};
}

}  // namespace adit::io
