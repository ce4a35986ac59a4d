#include "dataplane/io/gso_refusals.h"

#include <algorithm>
#include <cerrno>

namespace adit::io {

static_assert(EAGAIN == EWOULDBLOCK);

Remedy RemedyFor(int error, const Attempt& attempt) {
  switch (error) {
    case 0:  // nothing was sent and nothing was said: try when the socket is next writable
    case EAGAIN:
      return Remedy::kAwaitWritable;

    case ENOBUFS:
      return Remedy::kAwaitBuffers;

    // A segment exceeds the route's MTU, which UDP_SEGMENT does not let the kernel fragment; single
    // datagrams it does fragment (IP_MTU_DISCOVER is DONT).
    case EMSGSIZE:
      return attempt.used_gso ? Remedy::kWithoutGsoToDestination : Remedy::kDrop;

    // The source address is no longer ours, or (seen on some routes) GSO is not possible there.
    case EINVAL:
      if (attempt.has_source) {
        return Remedy::kWithoutSource;
      }
      return attempt.used_gso ? Remedy::kWithoutGsoToDestination : Remedy::kDrop;

    // No route from that source, or none at all.
    case ENETUNREACH:
      return attempt.has_source ? Remedy::kWithoutSource : Remedy::kDrop;

    // The device does not compute checksums, which UDP_SEGMENT needs.
    case EIO:
      return attempt.used_gso ? Remedy::kWithoutGsoOnSocket : Remedy::kDrop;

    // An ICMP error that answered an earlier datagram; reporting it cleared it.
    case ECONNREFUSED:
      return attempt.was_sent_again ? Remedy::kDrop : Remedy::kSendAgain;

    // EPERM (a firewall), EACCES (broadcast, or a security module), EHOSTUNREACH, ENETDOWN, and
    // what nobody has seen: waiting would stop every other peer.
    default:
      return Remedy::kDrop;
  }
}

bool RefusalMemory::AllowsGso(const IpAddress& destination, Instant now) {
  const std::size_t family = IndexOf(destination.family());
  if (!bears_gso_[family] || is_off_on_socket_[family]) {
    return false;
  }
  for (std::size_t i = 0; i < destination_count_; ++i) {
    if (destinations_[i].address != destination) {
      continue;
    }
    if (now < destinations_[i].off_until) {
      return false;
    }
    destinations_[i] = destinations_[--destination_count_];
    return true;
  }
  return true;
}

void RefusalMemory::TurnGsoOffTo(const IpAddress& destination, Instant now) {
  const auto begin = destinations_.begin();
  const auto end = begin + static_cast<std::ptrdiff_t>(destination_count_);
  auto slot =
      std::find_if(begin, end, [&](const Destination& d) { return d.address == destination; });
  const bool is_full = destination_count_ == kMaxDestinations;
  if (slot == end && is_full) {
    slot = std::min_element(begin, end, [](const Destination& a, const Destination& b) {
      return a.off_until < b.off_until;
    });
  } else if (slot == end) {
    ++destination_count_;
  }
  *slot = {destination, now + kDestinationOffTime};
}

bool RefusalMemory::IsFirst(int error, Remedy remedy) {
  const std::size_t bit = ErrnoIndex(error) * kRemedyCount + static_cast<std::size_t>(remedy);
  if (reported_.test(bit)) {
    return false;
  }
  reported_.set(bit);
  return true;
}

void RefusalMemory::HandleRouteEvent() {
  destination_count_ = 0;
  is_off_on_socket_.fill(false);  // another device may compute checksums
  reported_.reset();
}

}  // namespace adit::io
