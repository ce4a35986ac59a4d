#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controlplane/model/nodes.h"
#include "controlplane/model/peers.h"
#include "controlplane/model/policies.h"
#include "controlplane/model/resources.h"
#include "tests/controlplane/model/model_fixture.h"
#include "tests/support/seeded_random.h"

namespace adit::model {

// Random requests of every kind; most succeed.
class RandomRequests {
 public:
  RandomRequests(State& state, testing::SeededRandom& random) : state_(state), random_(random) {}

  absl::StatusOr<Change> Next() {
    switch (random_.Below(14)) {
      case 0: {
        NodeHello hello;
        hello.name = Name("n", 3);
        const Node* known = state_.FindNode(hello.name);
        hello.public_key = BytesOf(known != nullptr ? known->public_key : NextKey());
        hello.advertise = "gw.example.com:" + std::to_string(1 + random_.Below(3));
        return RegisterNode(state_, hello, kNow);
      }
      case 1:
        return DeleteNode(state_, Name("n", 3), "");
      case 2:
      case 3: {
        PeerCreate create;
        create.name = Name("p", 6);
        create.public_key = NextKey().ToBase64();
        create.node = Name("n", 3);
        return CreatePeer(state_, create, kNow);
      }
      case 4: {
        PeerUpdate update;
        update.name = Name("p", 6);
        update.node = Name("n", 3);
        update.endpoint = "192.0.2.1:" + std::to_string(1 + random_.Below(3));
        return UpdatePeer(state_, update);
      }
      case 5: {
        PeerRotate rotate;
        rotate.name = Name("p", 6);
        rotate.public_key = NextKey().ToBase64();
        return RotatePeer(state_, rotate);
      }
      case 6:
        return DeletePeer(state_, Name("p", 6), "");
      case 7: {
        ResourceCreate create;
        create.name = Name("r", 5);
        create.node = Name("n", 3);
        create.cidrs = {Cidr()};
        create.allow_all = true;
        return CreateResource(state_, create, kNow);
      }
      case 8: {
        ResourceUpdate update;
        update.name = Name("r", 5);
        update.node = Name("n", 3);
        update.cidrs = {Cidr()};
        return UpdateResource(state_, update);
      }
      case 9:
        return DeleteResource(state_, Name("r", 5), "");
      case 10:
      case 11: {
        PolicyCreate create;
        create.name = Name("x", 5);
        create.peers = Some("p", 6);
        create.resources = Some("r", 5);
        create.disabled = random_.Chance(0.2);
        create.expires = Expiry();
        return CreatePolicy(state_, create, kNow);
      }
      case 12: {
        PolicyUpdate update;
        update.name = Name("x", 5);
        if (random_.Chance(0.5)) {
          update.peers = Some("p", 6);
        }
        if (random_.Chance(0.5)) {
          update.resources = Some("r", 5);
        }
        if (random_.Chance(0.3)) {
          update.disabled = random_.Chance(0.5);
        }
        if (random_.Chance(0.3)) {
          update.expires = Expiry();
        }
        return UpdatePolicy(state_, update, kNow);
      }
      default:
        return DeletePolicy(state_, Name("x", 5), "");
    }
  }

 private:
  std::string Name(const char* prefix, std::uint64_t count) {
    return prefix + std::to_string(random_.Below(count));
  }
  std::vector<std::string> Some(const char* prefix, std::uint64_t count) {
    std::vector<std::string> names;
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::string name = prefix + std::to_string(i);
      const bool exists =
          *prefix == 'p' ? state_.FindPeer(name) != nullptr : state_.FindResource(name) != nullptr;
      if (exists && random_.Chance(0.5)) {
        names.push_back(name);
      }
    }
    return names;
  }
  std::string Cidr() { return "10.0." + std::to_string(random_.Below(4)) + ".0/24"; }
  std::optional<WallTime> Expiry() {
    return random_.Chance(0.5) ? std::optional(kNow + seconds(1 + random_.Below(3))) : std::nullopt;
  }
  PublicKey NextKey() { return KeyNumber(++last_key_); }

  State& state_;
  testing::SeededRandom& random_;
  std::uint32_t last_key_ = 0;
};

}  // namespace adit::model
