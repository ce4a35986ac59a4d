#include "tests/sim/administrator.h"

#include <fmt/format.h>

#include "tests/sim/traffic.h"

namespace adit::sim {
namespace {

const std::string kAlways = "0";     // granted to all clients, always
const std::string kSometimes = "1";  // comes and goes
constexpr std::size_t kResources = 3;

}  // namespace

Administrator::Administrator(const Scenario& scenario,
                             const std::vector<std::unique_ptr<Host>>& hosts,
                             const std::vector<Endpoint>& endpoints, ReferenceModel& model,
                             Scheduler& scheduler, Trace& trace, std::uint64_t seed)
    : scenario_(scenario),
      hosts_(hosts),
      endpoints_(endpoints),
      model_(model),
      scheduler_(scheduler),
      trace_(trace),
      random_(seed),
      wanderer_(scenario.servers) {}

bool Administrator::ArePeers(std::size_t host, std::size_t other) const {
  if (host == other) {
    return false;
  }
  return IsServer(host) && IsServer(other) ? !scenario_.is_hub : IsServer(host) || IsServer(other);
}

Configuration::Peer Administrator::PeerOf(std::size_t host, std::size_t other) const {
  Configuration::Peer peer;
  peer.key = hosts_[other]->public_key();
  peer.prefixes = {*IpPrefix::Parse(addresses::Inner(other))};
  if (IsServer(other)) {
    peer.endpoint = endpoints_[other];
    if (scenario_.is_hub) {
      peer.prefixes.push_back(*IpPrefix::Parse(fmt::format("10.{}.0.0/16", other)));
    }
  } else if (other == wanderer_ && !scenario_.is_hub) {
    peer.prefixes.push_back(*IpPrefix::Parse("10.60.0.0/24"));
  }
  if (!IsServer(host)) {
    peer.persistent_keepalive = scenario_.persistent_keepalive;
  }
  const auto key = preshared_keys_.find(std::minmax(host, other));
  if (key != preshared_keys_.end()) {
    peer.preshared_key = key->second;
  }
  return peer;
}

access::ResourceConfig Administrator::Resource(std::size_t server, std::size_t which) const {
  using Protocol = access::TrafficRule::Protocol;
  access::ResourceConfig resource;
  resource.id = fmt::format("{}", which);
  resource.prefixes = {*IpPrefix::Parse(fmt::format("10.{}.{}.0/24", server, which))};
  if (which == 0) {
    resource.filter.rules = {{Protocol::kTcp, 443, 443}, {Protocol::kUdp, 400, 500}};
  } else if (which == 1) {
    resource.filter.rules = {{Protocol::kUdp, 53, 53}, {Protocol::kIcmp, 0, 0}};
  } else {
    resource.filter.allow_all = true;
  }
  return resource;
}

void Administrator::NewKey(std::size_t host) {
  std::array<std::uint8_t, 32> key{};
  random_.Fill(key);
  hosts_[host]->SetPrivateKey(key);
}

void Administrator::ConfigureAll() {
  for (std::size_t host = 0; host < hosts_.size(); ++host) {
    NewKey(host);
  }
  for (std::size_t host = 0; host < hosts_.size(); ++host) {
    Configuration configuration;
    configuration.enforces_access = scenario_.is_hub && IsServer(host);
    for (std::size_t other = 0; other < hosts_.size(); ++other) {
      if (ArePeers(host, other)) {
        configuration.peers[other] = PeerOf(host, other);
        if (configuration.enforces_access) {
          configuration.grants[{other, kAlways}] = Instant::Max();
          if (random_.Below(2) == 0) {
            configuration.grants[{other, kSometimes}] = Instant::Max();
          }
        }
      }
    }
    for (std::size_t which = 0; configuration.enforces_access && which < kResources; ++which) {
      configuration.resources[fmt::format("{}", which)] = Resource(host, which);
    }
    hosts_[host]->Configure(std::move(configuration), {});
  }
}

void Administrator::Change() {
  switch (random_.Below(scenario_.is_hub ? 12 : 8)) {
    case 0:
      ReplacePeer();
      break;
    case 1:
      ChangePresharedKey();
      break;
    case 2:
      RotateKey();
      break;
    case 3:
      TakeLinkDown();
      break;
    case 4:
      SendSnapshot();
      break;
    case 5:
    case 6:
    case 7:
      scenario_.is_hub ? ChangeResource() : MovePrefix();
      break;
    default:
      ChangeGrant();
  }
}

void Administrator::ChangeGrant() {
  const std::size_t server = AnyServer();
  const std::size_t client = AnyClient();
  Configuration next = hosts_[server]->configuration();
  if (!next.peers.contains(client)) {
    return;
  }
  const PublicKey& key = next.peers.at(client).key;
  engine::Update update;
  const bool is_held = next.grants.contains({client, kSometimes});
  if (is_held && random_.Below(2) == 0) {
    next.grants.erase({client, kSometimes});
    update.removed_grants = {{key, kSometimes}};
  } else {
    const Instant deadline = random_.Below(2) == 0 ? Instant::Max()
                                                   : hosts_[server]->now().boot +
                                                         Between(random_, seconds(1), seconds(40));
    next.grants[{client, kSometimes}] = deadline;
    update.grants = {{key, kSometimes, deadline}};
  }
  trace_.Log(scheduler_.now(), "host {} {} host {}'s grant", server,
             update.grants.empty() ? "takes" : "gives", client);
  hosts_[server]->Configure(std::move(next), update);
}

void Administrator::ChangeResource() {
  const std::size_t server = AnyServer();
  Configuration next = hosts_[server]->configuration();
  engine::Update update;
  if (next.resources.contains(kSometimes) && random_.Below(3) == 0) {
    next.resources.erase(kSometimes);
    update.removed_resources = {kSometimes};
  } else {
    access::ResourceConfig resource = Resource(server, 1);
    if (random_.Below(2) == 0) {
      resource.filter.rules[0] = {access::TrafficRule::Protocol::kUdp, 99, 99};
    }
    next.resources[kSometimes] = resource;
    update.resources = {resource};
  }
  trace_.Log(scheduler_.now(), "host {} changes a resource", server);
  hosts_[server]->Configure(std::move(next), update);
}

void Administrator::NoteRemoved(std::size_t host, std::size_t other) {
  model_.ForgetFlows(host, other);
  if (on_peer_removed) {
    on_peer_removed(host, other);
  }
}

void Administrator::GivePeer(std::size_t host, std::size_t other) {
  Configuration next = hosts_[host]->configuration();
  engine::Update update;
  const auto before = next.peers.find(other);
  const Configuration::Peer peer = PeerOf(host, other);
  if (before != next.peers.end() && before->second.key != peer.key) {
    update.removed_peers = {before->second.key};
    NoteRemoved(host, other);
  }
  next.peers[other] = peer;
  update.peers = {next.PatchOf(other)};
  for (const auto& [key, deadline] : next.grants) {
    if (key.first == other) {
      update.grants.push_back({peer.key, key.second, deadline});
    }
  }
  trace_.Log(scheduler_.now(), "host {} is given host {} as a peer", host, other);
  hosts_[host]->Configure(std::move(next), update);
}

void Administrator::TakePeer(std::size_t host, std::size_t other) {
  Configuration next = hosts_[host]->configuration();
  if (!next.peers.contains(other)) {
    return;
  }
  engine::Update update;
  update.removed_peers = {next.peers.at(other).key};
  next.peers.erase(other);
  NoteRemoved(host, other);
  trace_.Log(scheduler_.now(), "host {} loses host {} as a peer", host, other);
  hosts_[host]->Configure(std::move(next), update);
}

void Administrator::ReplacePeer() {
  const std::size_t host = AnyServer();
  const std::size_t other = AnyClient();
  TakePeer(host, other);
  scheduler_.After(Between(random_, milliseconds(1), kLongestChange),
                   [this, host, other] { GivePeer(host, other); });
}

void Administrator::ChangePresharedKey() {
  const std::size_t host = AnyServer();
  const std::size_t other = AnyClient();
  if (random_.Below(4) == 0) {
    preshared_keys_.erase(std::minmax(host, other));
  } else {
    random_.Fill(preshared_keys_[std::minmax(host, other)]);
  }
  for (const auto& [one, peer] : {std::pair(host, other), std::pair(other, host)}) {
    scheduler_.After(Between(random_, {}, seconds(3)), [this, one = one, peer = peer] {
      if (hosts_[one]->configuration().peers.contains(peer)) {
        GivePeer(one, peer);
      }
    });
  }
}

void Administrator::RotateKey() {
  const std::size_t host = random_.Below(hosts_.size());
  trace_.Log(scheduler_.now(), "host {} has another key", host);
  NewKey(host);
  for (std::size_t other = 0; other < hosts_.size(); ++other) {
    if (ArePeers(other, host)) {
      scheduler_.After(Between(random_, {}, seconds(3)), [this, other, host] {
        if (hosts_[other]->configuration().peers.contains(host)) {
          GivePeer(other, host);
        }
      });
    }
  }
}

void Administrator::MovePrefix() {
  wanderer_ = AnyClient();
  for (std::size_t server = 0; server < scenario_.servers; ++server) {
    Configuration next = hosts_[server]->configuration();
    engine::Update update;
    for (auto& [other, peer] : next.peers) {
      if (!IsServer(other)) {
        peer.prefixes = PeerOf(server, other).prefixes;
      }
    }
    // Claimed by its heir; nobody has to give it up first.
    if (next.peers.contains(wanderer_)) {
      update.peers = {next.PatchOf(wanderer_)};
    } else {
      update = next.Snapshot();
    }
    trace_.Log(scheduler_.now(), "host {}: the prefix is host {}'s", server, wanderer_);
    hosts_[server]->Configure(std::move(next), update);
  }
}

void Administrator::TakeLinkDown() {
  const std::size_t host = random_.Below(hosts_.size());
  trace_.Log(scheduler_.now(), "host {}'s link goes down", host);
  hosts_[host]->SetLinkUp(false);
  scheduler_.After(Between(random_, milliseconds(1), seconds(5)),
                   [this, host] { hosts_[host]->SetLinkUp(true); });
}

void Administrator::SendSnapshot() {
  const std::size_t host = random_.Below(hosts_.size());
  Configuration next = hosts_[host]->configuration();
  const engine::Update update = next.Snapshot();
  trace_.Log(scheduler_.now(), "host {} is given a snapshot", host);
  hosts_[host]->Configure(std::move(next), update);
}

}  // namespace adit::sim
