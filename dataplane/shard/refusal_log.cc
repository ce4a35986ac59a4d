#include "dataplane/shard/refusal_log.h"

#include <cerrno>
#include <cstring>
#include <string_view>

#include "common/log.h"

namespace adit::shard {
namespace {

using io::Remedy;

// nullptr: waiting is not worth a line.
const char* TextOf(Remedy remedy) {
  switch (remedy) {
    case Remedy::kAwaitWritable:
    case Remedy::kAwaitBuffers:
    case Remedy::kSendAgain:
      return nullptr;
    case Remedy::kWithoutSource:
      return "the local address is gone; the kernel chooses another";
    case Remedy::kWithoutGsoToDestination:
      return "datagrams to this destination leave one at a time for a minute";
    case Remedy::kWithoutGsoOnSocket:
      return "datagrams of this socket leave one at a time; sending costs more CPU";
    case Remedy::kDrop:
      return "datagrams are dropped and counted; see route, firewall and link";
  }
  return nullptr;
}

}  // namespace

void LogRefusal(const io::RefusalEvent& event) {
  const char* text = TextOf(event.remedy);
  if (text == nullptr) {
    return;
  }
  LOG_INFO("sending UDP ({}): {}: {}", event.destination.address.is_v6() ? "IPv6" : "IPv4",
           std::strerror(event.error), text);
  LOG_DEBUG("the datagram was for {}", event.destination.ToString());
}

void LogGarbledTrains(const engine::GarbledTrains& garbled) {
  LOG_WARN(
      "{} of {} datagrams of {} bytes and the like from peer {} did not decrypt: the path garbles "
      "them, or a kernel cuts or joins them wrongly; try --udp-gso off at the peer, and --udp-gro "
      "off here",
      garbled.failed, garbled.looked_at, garbled.datagram_size, garbled.peer.ToBase64());
}

}  // namespace adit::shard
