#pragma once

#include <sys/socket.h>

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace adit::io {

// Room for every control message (cmsg(3)) that we send or receive with one datagram: packet
// information, traffic class and segment size.
inline constexpr std::size_t kControlSize = 128;

// Writes control messages one behind the other.
class ControlMessages {
 public:
  template <typename T>
  void Add(int level, int type, const T& value) {
    static_assert(sizeof(T) <= 32);
    assert(size_ + CMSG_SPACE(sizeof value) <= kControlSize);
    cmsghdr header{};
    header.cmsg_level = level;
    header.cmsg_type = type;
    header.cmsg_len = CMSG_LEN(sizeof value);
    std::memcpy(&bytes_[size_], &header, sizeof header);
    std::memcpy(&bytes_[size_ + CMSG_LEN(0)], &value, sizeof value);
    size_ += CMSG_SPACE(sizeof value);
  }
  void AttachTo(msghdr& message) {
    message.msg_control = size_ == 0 ? nullptr : bytes_.data();
    message.msg_controllen = size_;
  }

 private:
  alignas(cmsghdr) std::array<std::uint8_t, kControlSize> bytes_{};
  std::size_t size_ = 0;
};

// Calls handle(level, type, data, size) for each control message that was received. One that is not
// there whole ends them: `data` always has `size` bytes.
template <typename Handle>
void ForEachControlMessage(msghdr& message, Handle handle) {
  const auto* end = static_cast<const std::uint8_t*>(message.msg_control) + message.msg_controllen;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    const auto left = static_cast<std::size_t>(end - reinterpret_cast<const std::uint8_t*>(header));
    if (header->cmsg_len < CMSG_LEN(0) || header->cmsg_len > left) {
      return;
    }
    handle(header->cmsg_level, header->cmsg_type,
           static_cast<const std::uint8_t*>(CMSG_DATA(header)), header->cmsg_len - CMSG_LEN(0));
  }
}

}  // namespace adit::io
