#include "dataplane/wireguard/messages.h"

namespace adit::wireguard {

std::optional<MessageType> Classify(ByteSpan datagram) {
  if (datagram.size() < kTransportOverhead) {
    return std::nullopt;
  }
  switch (LoadLe32(datagram.data())) {  // the reserved bytes are zero
    case 4:
      return MessageType::kTransport;
    case 1:
      return datagram.size() == kInitiationSize ? std::optional(MessageType::kInitiation)
                                                : std::nullopt;
    case 2:
      return datagram.size() == kResponseSize ? std::optional(MessageType::kResponse)
                                              : std::nullopt;
    case 3:
      return datagram.size() == kCookieReplySize ? std::optional(MessageType::kCookieReply)
                                                 : std::nullopt;
    default:
      return std::nullopt;
  }
}

}  // namespace adit::wireguard
