// The four message parsers, and what opens them: exact sizes, and nothing forged is taken.
#include <algorithm>
#include <memory>

#include "dataplane/wireguard/cookie.h"
#include "dataplane/wireguard/messages.h"
#include "tests/dataplane/engine/hostile_peer.h"
#include "tests/dataplane/wireguard/side.h"
#include "tests/fuzz/fuzz_target.h"

namespace adit::fuzz {
namespace {

using testing::Bytes;
using testing::Side;
using wireguard::MessageType;

// Two ends between initiation and response. What fails leaves no trace (wireguard/peer.h), so one
// pair serves all inputs.
struct HalfWay {
  HalfWay() {
    initiator.MakePeer(responder.identity.public_key());
    responder.MakePeer(initiator.identity.public_key());
    initiator.peer->RequestHandshake(now.boot);
    initiation = *initiator.Poll(now);
    Require(!responder.Consume(initiation, now, response), "a right initiation is answered");
    checker.WriteReply(initiation, endpoint, now.boot, cookie_reply);
  }

  const Now now{Instant(seconds(1000)), WallTime(seconds(1'700'000'000))};
  const Endpoint endpoint = *Endpoint::Parse("192.0.2.1:1");
  Side initiator{11};
  Side responder{12};
  wireguard::CookieSecret cookie_secret{responder.random};
  wireguard::CookieChecker checker{responder.identity, cookie_secret, responder.random};
  testing::Initiation initiation{};
  testing::Response response{};
  std::array<std::uint8_t, wireguard::kCookieReplySize> cookie_reply{};
};

std::optional<MessageType> ClassifyByTheTable(ByteSpan datagram) {
  struct Row {
    std::uint8_t type;
    std::size_t least;
    std::size_t most;
  };
  constexpr std::array<Row, 4> kTable = {
      {{1, 148, 148}, {2, 92, 92}, {3, 64, 64}, {4, 32, SIZE_MAX}}};
  for (const Row& row : kTable) {
    if (datagram.size() >= row.least && datagram.size() <= row.most && datagram[0] == row.type &&
        datagram[1] == 0 && datagram[2] == 0 && datagram[3] == 0) {
      return static_cast<MessageType>(row.type);
    }
  }
  return std::nullopt;
}

// Is it `right` in [begin, end)?
bool AgreesIn(ByteSpan message, ByteSpan right, std::size_t begin, std::size_t end) {
  return std::ranges::equal(message.subspan(begin, end - begin), right.subspan(begin, end - begin));
}

void OpenMessage(HalfWay& pair, MessageType type, const Bytes& message) {
  switch (type) {
    case MessageType::kInitiation: {
      if (pair.checker.Check(message, pair.endpoint, pair.now.boot) ==
          wireguard::MacCheck::kInvalid) {
        break;  // nobody pays for a curve then
      }
      const auto opened = wireguard::OpenInitiation(pair.responder.identity, message);
      const bool is_ours = std::holds_alternative<wireguard::OpenedInitiation>(opened);
      Require(is_ours == AgreesIn(message, pair.initiation, 8, 88),
              "an initiation opens when its keys are the sender's, and only then");
      if (is_ours) {
        testing::Response response{};
        Require(pair.responder.peer
                    ->HandleOpenedInitiation(std::get<wireguard::OpenedInitiation>(opened),
                                             pair.now, response)
                    .has_value(),
                "an initiation is answered once");
      }
      break;
    }
    case MessageType::kResponse: {
      const bool is_right = AgreesIn(message, pair.response, 12, 60);
      // The right one would end the handshake that the next input needs.
      if (!is_right) {
        Require(pair.initiator.peer->HandleResponse(message, pair.now).has_value(),
                "a response that was altered is refused");
      }
      break;
    }
    case MessageType::kCookieReply: {
      const bool is_taken =
          !pair.initiator.peer->HandleCookieReply(message, pair.now.boot).has_value();
      Require(!is_taken || AgreesIn(message, pair.cookie_reply, 8, 64), "no cookie is forged");
      break;
    }
    case MessageType::kTransport:
      break;
  }
}

void FuzzWgPacket(Input input) {
  static HalfWay& pair = *new HalfWay();
  const std::uint8_t how = input.Byte();
  Bytes message = input.Copy(input.size());
  // The rest of a message that is cut short is the right one's.
  const std::array<ByteSpan, 3> right = {pair.initiation, pair.response, pair.cookie_reply};
  if (const std::size_t kind = how & 3; kind < right.size()) {
    const ByteSpan from = right[kind];
    if (message.size() < from.size()) {
      message.insert(message.end(), from.begin() + static_cast<std::ptrdiff_t>(message.size()),
                     from.end());
    }
  }
  if ((how & 28) == 28) {
    testing::FixMac1(message, pair.responder.identity.public_key());
  }
  const auto type = wireguard::Classify(message);
  Require(type == ClassifyByTheTable(message), "types have their sizes");
  if (type) {
    OpenMessage(pair, *type, message);
  }
}

ADIT_FUZZ_TARGET(wg_packet, FuzzWgPacket)

}  // namespace
}  // namespace adit::fuzz
