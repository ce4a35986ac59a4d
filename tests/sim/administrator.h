#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/reference_model.h"
#include "tests/sim/scenario.h"

namespace adit::sim {

// Who tells the hosts of a world what to do: at first, and, where the scenario asks for it, again
// and again: grants given, taken and expiring, filters and resources changed, peers removed and
// added, keys and preshared keys changed at one end before the other, prefixes moved from peer to
// peer, links taken down.
class Administrator {
 public:
  Administrator(const Scenario& scenario, const std::vector<std::unique_ptr<Host>>& hosts,
                const std::vector<Endpoint>& endpoints, ReferenceModel& model, Scheduler& scheduler,
                Trace& trace, std::uint64_t seed);

  // Gives every host its key and configuration; they need not run yet.
  void ConfigureAll();
  // A host forgets a peer, and with it the greatest timestamp it has accepted from it.
  std::function<void(std::size_t host, std::size_t peer)> on_peer_removed;
  // One change, drawn at random; what belongs to it is done within kLongestChange.
  void Change();
  static constexpr Duration kLongestChange = seconds(10);

 private:
  [[nodiscard]] bool IsServer(std::size_t host) const { return host < scenario_.servers; }
  [[nodiscard]] bool ArePeers(std::size_t host, std::size_t other) const;
  [[nodiscard]] Configuration::Peer PeerOf(std::size_t host, std::size_t other) const;
  [[nodiscard]] access::ResourceConfig Resource(std::size_t server, std::size_t which) const;
  [[nodiscard]] std::size_t AnyClient() {
    return scenario_.servers + random_.Below(scenario_.clients);
  }
  [[nodiscard]] std::size_t AnyServer() { return random_.Below(scenario_.servers); }

  void ChangeGrant();
  void ChangeResource();
  void ReplacePeer();
  void ChangePresharedKey();
  void RotateKey();
  void MovePrefix();
  void TakeLinkDown();
  void SendSnapshot();
  void GivePeer(std::size_t host, std::size_t other);
  void TakePeer(std::size_t host, std::size_t other);
  void NoteRemoved(std::size_t host, std::size_t other);
  void NewKey(std::size_t host);

  const Scenario& scenario_;
  const std::vector<std::unique_ptr<Host>>& hosts_;
  const std::vector<Endpoint> endpoints_;
  ReferenceModel& model_;
  Scheduler& scheduler_;
  Trace& trace_;
  testing::SeededRandom random_;
  std::map<std::pair<std::size_t, std::size_t>, std::array<std::uint8_t, 32>> preshared_keys_;
  std::size_t wanderer_;  // the client whose the wandering prefix is
};

}  // namespace adit::sim
