// Control messages of any bytes: nothing outside them is read, and a train says what they say.
#include <netinet/in.h>
#include <netinet/udp.h>

#include <algorithm>
#include <memory>

#include "dataplane/io/control_messages.h"
#include "dataplane/io/udp_receiver.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/fake_syscalls.h"
#include "tests/support/packet_builder.h"

namespace adit::fuzz {
namespace {

using testing::Bytes;

struct ControlMessage {
  int level = 0;
  int type = 0;
  Bytes data;
};

// cmsg(3) by hand: an 8-byte length of header and data, level, type, data; each starts at a
// multiple of 8. One that does not fit is the end.
std::vector<ControlMessage> ReadByHand(ByteSpan bytes) {
  std::vector<ControlMessage> messages;
  constexpr std::size_t kHeader = 16;
  for (std::size_t at = 0; bytes.size() >= kHeader && at <= bytes.size() - kHeader;) {
    const std::uint64_t length = LoadLe64(bytes.data() + at);
    if (length < kHeader || length > bytes.size() - at) {
      break;
    }
    const ByteSpan data = bytes.subspan(at + kHeader, length - kHeader);
    messages.push_back({static_cast<int>(LoadLe32(bytes.data() + at + 8)),
                        static_cast<int>(LoadLe32(bytes.data() + at + 12)),
                        {data.begin(), data.end()}});
    at += (length + 7) / 8 * 8;
  }
  return messages;
}

// A kernel that gives what it is told.
class AnyKernel final : public testing::FakeSyscalls {
 public:
  int RecvMmsg(int, mmsghdr* messages, unsigned, int) override {
    msghdr& message = messages[0].msg_hdr;
    std::ranges::copy(control, static_cast<std::uint8_t*>(message.msg_control));
    message.msg_controllen = control.size();
    message.msg_flags = flags;
    std::memcpy(message.msg_name, &name, sizeof name);
    std::fill_n(static_cast<std::uint8_t*>(message.msg_iov[0].iov_base), size, std::uint8_t{4});
    messages[0].msg_len = size;
    return 1;
  }
  ByteSpan control;
  int flags = 0;
  sockaddr_storage name{};
  unsigned size = 0;
};

struct Receiving {
  Receiving() : socket(*io::UdpSocket::Open(kernel, IpFamily::kV4, {.port = 1})) {}
  AnyKernel kernel;
  io::UdpSocket socket;
  io::UdpReceiver receiver{kernel};
};

// What the last message of a kind says.
packet::ReceivedTrain TrainByHand(const std::vector<ControlMessage>& messages, std::size_t size) {
  packet::ReceivedTrain train;
  train.segment_size = size;
  for (const auto& [level, type, data] : messages) {
    if (level == SOL_UDP && type == UDP_GRO && data.size() >= 4) {
      const auto segment = static_cast<int>(LoadLe32(data.data()));
      if (segment > 0 && static_cast<std::size_t>(segment) < train.segment_size) {
        train.segment_size = static_cast<std::size_t>(segment);
      }
    } else if (level == SOL_IP && type == IP_PKTINFO && data.size() >= 12) {
      const IpAddress address = IpAddress::V4(data.data() + 4);
      if (!address.is_unspecified() && !address.is_multicast()) {
        train.local.address = address;
      }
    } else if (level == SOL_IPV6 && type == IPV6_PKTINFO && data.size() >= 20) {
      const IpAddress address = IpAddress::V6(data.data());
      if (!address.is_unspecified() && !address.is_multicast()) {
        train.local.address = address;
        if (address.is_link_local()) {
          train.local.interface_index = LoadLe32(data.data() + 16);
        }
      }
    } else if ((level == SOL_IP && type == IP_TOS && !data.empty()) ||
               (level == SOL_IPV6 && type == IPV6_TCLASS && data.size() >= 4)) {
      train.ecn = data[0] & 3;
    }
  }
  return train;
}

void FuzzControlMessages(Input input) {
  static Receiving& receiving = *new Receiving();
  AnyKernel& kernel = receiving.kernel;
  const std::uint8_t how = input.Byte();
  kernel.flags = ((how & 1) != 0 ? MSG_TRUNC : 0) | ((how & 2) != 0 ? MSG_CTRUNC : 0);
  kernel.name = {};
  kernel.name.ss_family = static_cast<sa_family_t>((how & 4) != 0   ? AF_INET6
                                                   : (how & 8) != 0 ? input.U16()
                                                                    : AF_INET);
  kernel.size = (how & 16) != 0 ? input.U16() : 3000;
  const Bytes control = input.Copy(io::kControlSize);
  kernel.control = control;

  // The reader itself, over bytes whose bounds are seen.
  const std::vector<ControlMessage> expected = ReadByHand(control);
  std::vector<ControlMessage> messages;
  Bytes copy = control;
  msghdr message{};
  message.msg_control = copy.empty() ? nullptr : copy.data();
  message.msg_controllen = copy.size();
  io::ForEachControlMessage(message,
                            [&](int level, int type, const std::uint8_t* data, std::size_t size) {
                              messages.push_back({level, type, {data, data + size}});
                            });
  Require(std::ranges::equal(messages, expected,
                             [](const ControlMessage& a, const ControlMessage& b) {
                               return a.level == b.level && a.type == b.type && a.data == b.data;
                             }),
          "the messages that are there, whole");

  const auto trains = receiving.receiver.Receive(receiving.socket);
  const bool has_family = kernel.name.ss_family == AF_INET || kernel.name.ss_family == AF_INET6;
  const bool is_whole = (how & 3) == 0 && has_family && kernel.size != 0;
  Require(trains.size() == (is_whole ? 1U : 0U), "what was cut off is dropped");
  if (is_whole) {
    const packet::ReceivedTrain& train = trains.front();
    const packet::ReceivedTrain by_hand = TrainByHand(expected, kernel.size);
    Require(train.bytes.size() == kernel.size, "as long as it was");
    Require(train.segment_size == by_hand.segment_size && train.segment_size != 0,
            "the segment size");
    Require(train.local == by_hand.local, "the local source");
    Require(train.ecn == by_hand.ecn, "the mark");
  }
}

ADIT_FUZZ_TARGET(control_messages, FuzzControlMessages)

}  // namespace
}  // namespace adit::fuzz
