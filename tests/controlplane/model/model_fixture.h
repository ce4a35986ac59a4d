#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/status.h"
#include "controlplane/model/error.h"
#include "controlplane/model/nodes.h"
#include "controlplane/model/peers.h"
#include "controlplane/model/policies.h"
#include "controlplane/model/resources.h"
#include "controlplane/model/view_delta.h"

namespace adit::model {

inline constexpr WallTime kNow{seconds(1'700'000'000)};

inline PublicKey KeyNumber(std::uint32_t number) {
  std::array<std::uint8_t, kKeySize> bytes{};
  bytes[0] = 0x40;
  StoreLe32(bytes.data() + 4, number);
  return PublicKey(bytes);
}
inline std::string BytesOf(const PublicKey& key) {
  return {reinterpret_cast<const char*>(key.bytes().data()), kKeySize};
}

// A state and short ways to change it. Requests that should succeed fail the test when they do not.
class ModelFixture : public ::testing::Test {
 protected:
  std::vector<NodeDelta> Accept(absl::StatusOr<Change> change) {
    EXPECT_TRUE(change.ok()) << change.status();
    return change.ok() ? ApplyChange(state_, *std::move(change)) : std::vector<NodeDelta>();
  }

  std::vector<NodeDelta> AddNode(const std::string& name, std::uint32_t key = 0) {
    NodeHello hello;
    hello.name = name;
    hello.public_key = BytesOf(KeyNumber(key != 0 ? key : ++last_key_));
    hello.advertise = "gw.example.com:51820";
    hello.listen_port = 51820;
    hello.mtu = 1280;
    return Accept(RegisterNode(state_, hello, kNow));
  }
  PeerCreate NewPeer(const std::string& name, const std::string& node = "") {
    PeerCreate create;
    create.name = name;
    create.public_key = KeyNumber(++last_key_).ToBase64();
    create.node = node;
    return create;
  }
  std::vector<NodeDelta> AddPeer(const std::string& name, const std::string& node = "") {
    return Accept(CreatePeer(state_, NewPeer(name, node), kNow));
  }
  static ResourceCreate NewResource(const std::string& name, const std::string& cidr,
                                    const std::string& node = "") {
    ResourceCreate create;
    create.name = name;
    create.node = node;
    create.cidrs = {cidr};
    create.allow_all = true;
    return create;
  }
  std::vector<NodeDelta> AddResource(const std::string& name, const std::string& cidr,
                                     const std::string& node = "") {
    return Accept(CreateResource(state_, NewResource(name, cidr, node), kNow));
  }
  static PolicyCreate NewPolicy(const std::string& name, std::vector<std::string> peers,
                                std::vector<std::string> resources) {
    PolicyCreate create;
    create.name = name;
    create.peers = std::move(peers);
    create.resources = std::move(resources);
    return create;
  }
  std::vector<NodeDelta> AddPolicy(const std::string& name, std::vector<std::string> peers,
                                   std::vector<std::string> resources,
                                   std::optional<WallTime> expires = std::nullopt) {
    PolicyCreate create = NewPolicy(name, std::move(peers), std::move(resources));
    create.expires = expires;
    return Accept(CreatePolicy(state_, create, kNow));
  }
  ObjectId Grant(const std::string& peer, const std::string& resource) {
    return GrantId(state_.FindPeer(peer)->public_key, resource);
  }

  State state_ = State::Create(Network{}, {std::string(16, 'e'), 0, {}, {}, {}, {}}).value();
  std::uint32_t last_key_ = 100;
};

// The refusal's code, reason and the fields it names (in order).
MATCHER_P3(IsRefusal, code, reason, fields, "") {
  std::vector<std::string> named;
  for (const FieldError& error : FieldErrorsOf(arg)) {
    named.push_back(error.field);
  }
  *result_listener << "status " << arg.ToString() << ", fields " << ::testing::PrintToString(named);
  return arg.code() == code && ReasonOf(arg) == reason && named == fields;
}
inline auto IsInvalid(const std::vector<std::string>& fields) {
  return IsRefusal(absl::StatusCode::kInvalidArgument, "INVALID_FIELDS", fields);
}
inline const std::vector<std::string> kNoFields;

inline std::vector<ObjectId> IdsOf(const std::vector<ViewObject>& objects) {
  std::vector<ObjectId> ids;
  for (const ViewObject& object : objects) {
    ids.push_back(object.id);
  }
  return ids;
}

}  // namespace adit::model
