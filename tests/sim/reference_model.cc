#include "tests/sim/reference_model.h"

#include <fmt/format.h>

namespace adit::sim {

// The longest that flow_table.h lets them idle, by protocol.
Duration ReferenceModel::LifetimeOf(const Tuple& tuple, const Flow& flow) {
  switch (tuple.protocol) {
    case 6:
      return std::chrono::minutes(124);
    case 17:
      return flow.is_confirmed ? std::chrono::minutes(5) : std::chrono::minutes(2);
    default:
      return seconds(60);
  }
}

ReferenceModel::Packet ReferenceModel::Read(std::size_t sender, const Tuple& tuple, bool opens) {
  const Host& host = *hosts_[sender];
  const Configuration& configuration = host.configuration();
  Packet packet{.sender = sender,
                .tuple = tuple,
                .opens = opens,
                .version = host.current_version(),
                .when = host.now().boot,
                .may_leave = false};
  const auto owner = configuration.OwnerOf(tuple.destination);
  if (!owner) {
    return packet;
  }
  if (!configuration.enforces_access) {
    packet.may_leave = true;
    return packet;
  }
  const auto flow = flows_[sender].find({*owner, tuple.Reversed()});
  const Instant now = host.now().boot;
  packet.may_leave = flow != flows_[sender].end() && !opens &&
                     now - flow->second.last_used <= LifetimeOf(tuple, flow->second) &&
                     configuration.Grants(*owner, tuple.Reversed(), now);
  if (packet.may_leave) {
    flow->second = {now, true};
  }
  return packet;
}

std::string ReferenceModel::Judge(const Packet& packet, const Datagram& datagram,
                                  std::size_t receiver) const {
  const Host& sender = *hosts_[packet.sender];
  const Host& host = *hosts_[receiver];
  const Configuration& configuration = host.configuration();
  if (datagram.sender != packet.sender) {
    return "it came out of another host's datagram";
  }
  if (!packet.may_leave) {
    return "it was not permitted to leave its host";
  }
  bool was_routed_here = false;
  for (std::size_t v = packet.version; v <= datagram.sender_version; ++v) {
    was_routed_here =
        was_routed_here || sender.version(v).OwnerOf(packet.tuple.destination) == receiver;
  }
  if (!was_routed_here) {
    return "its destination was not this peer's";
  }
  const Configuration& when_it_left = sender.version(datagram.sender_version);
  if (!when_it_left.peers.contains(receiver)) {
    return "it left after the receiver had been removed as a peer";
  }
  // A right that is taken holds back what waits for the uplink; one that expires on its own is
  // judged when the packet is read.
  const bool might_leave = !when_it_left.enforces_access ||
                           when_it_left.Grants(receiver, packet.tuple.Reversed(), packet.when);
  if (!might_leave) {
    return "it left after the grant had ended";
  }
  if (configuration.OwnerOf(packet.tuple.source) != packet.sender) {
    return "its source is not the sender's";
  }
  const bool may_enter = !configuration.enforces_access ||
                         configuration.Grants(packet.sender, packet.tuple, host.now().boot);
  return may_enter ? "" : "no grant lets it in";
}

void ReferenceModel::NoteDelivered(const Packet& packet, std::size_t receiver) {
  if (hosts_[receiver]->configuration().enforces_access) {
    Flow& flow = flows_[receiver][{packet.sender, packet.tuple}];
    flow.last_used = hosts_[receiver]->now().boot;
  }
}

void ReferenceModel::ForgetFlows(std::size_t host, std::size_t peer) {
  std::erase_if(flows_[host], [&](const auto& entry) { return entry.first.first == peer; });
}

}  // namespace adit::sim
