#include "tests/sim/network.h"

#include <algorithm>

#include "dataplane/wireguard/messages.h"
#include "tests/support/mutation.h"

namespace adit::sim {
namespace {

constexpr std::size_t kMac2Size = 16;

}  // namespace

void Alter(Datagram& datagram, testing::SeededRandom& random) {
  const auto type = wireguard::Classify(datagram.bytes);
  const Bytes before = datagram.bytes;
  testing::Mutate(datagram.bytes, random);
  const bool has_mac2 =
      type == wireguard::MessageType::kInitiation || type == wireguard::MessageType::kResponse;
  const std::size_t checked = before.size() - (has_mac2 ? kMac2Size : 0);
  const bool is_same =
      datagram.bytes.size() == before.size() &&
      std::ranges::equal(ByteSpan(before).first(checked), ByteSpan(datagram.bytes).first(checked));
  datagram.is_genuine = datagram.is_genuine && is_same;
}

std::size_t Network::Attach(const Endpoint& endpoint, Nat* nat, Receiver receiver) {
  hosts_.push_back({endpoint, nat, std::move(receiver)});
  return hosts_.size() - 1;
}

void Network::Move(std::size_t host, const Endpoint& endpoint) { hosts_[host].endpoint = endpoint; }

std::optional<std::size_t> Network::HostAt(const Endpoint& to, const Endpoint& from) {
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    const Host& host = hosts_[i];
    if (host.nat == nullptr) {
      if (host.endpoint == to) {
        return i;
      }
    } else if (host.nat->address() == to.address) {
      const auto inside = host.nat->TranslateIn(to.port, from, scheduler_.now());
      if (inside && *inside == host.endpoint) {
        return i;
      }
    }
  }
  return std::nullopt;
}

void Network::Damage(Datagram& datagram) {
  if (random_.Chance(faults_.corrupt)) {
    Alter(datagram, random_);
  }
  if (random_.Chance(faults_.truncate)) {
    const std::size_t size = random_.Below(datagram.bytes.size() + 1);
    datagram.is_genuine = datagram.is_genuine && size == datagram.bytes.size();
    datagram.bytes.resize(size);
  }
}

void Network::Send(Datagram datagram) {
  ++sent_;
  const Host& sender = hosts_[datagram.sender];
  datagram.from = sender.nat == nullptr
                      ? sender.endpoint
                      : sender.nat->TranslateOut(sender.endpoint, datagram.to, scheduler_.now());
  if (random_.Chance(faults_.loss)) {
    return;
  }
  const int copies = random_.Chance(faults_.duplicate) ? 2 : 1;
  for (int copy = 0; copy < copies; ++copy) {
    Datagram one = datagram;
    Damage(one);
    Instant when = scheduler_.now() + faults_.min_delay + Between(random_, {}, faults_.jitter);
    if (faults_.keeps_order) {
      Instant& last = last_arrival_[{one.sender, one.to}];
      when = last = std::max(when, last + Duration(1));
    }
    scheduler_.At(when, [this, one = std::move(one)]() mutable { Arrive(one, false); });
  }
}

void Network::Inject(Datagram datagram) {
  scheduler_.At(scheduler_.now(),
                [this, datagram = std::move(datagram)]() mutable { Arrive(datagram, true); });
}

void Network::Arrive(Datagram& datagram, bool is_injected) {
  const auto host = HostAt(datagram.to, datagram.from);
  const bool is_cut = host && !is_injected && hosts_[*host].group != hosts_[datagram.sender].group;
  if (!host || is_cut || datagram.bytes.empty()) {
    return;
  }
  ++arrived_;
  trace_.Add(static_cast<std::uint64_t>(scheduler_.now().since_boot().count()));
  trace_.Add(*host);
  trace_.Add(datagram.bytes);
  hosts_[*host].receiver(datagram);
}

}  // namespace adit::sim
