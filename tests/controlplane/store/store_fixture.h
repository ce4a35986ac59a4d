#pragma once

#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/status.h"
#include "controlplane/store/sqlite_store.h"
#include "tests/controlplane/model/model_fixture.h"
#include "tests/dataplane/state/temp_directory.h"
#include "tests/support/seeded_random.h"

namespace adit::store {

inline absl::StatusOr<std::unique_ptr<SqliteStore>> OpenStore(const std::string& path) {
  testing::SeededRandom random(7);
  return SqliteStore::Open(path, random);
}

// The state in which a store with one node, peer, resource and policy is, and the changes there.
class FilledStore {
 public:
  explicit FilledStore(const std::string& path) : store_(OpenStore(path).value()) {
    state_.emplace(model::State::Create(model::Network{}, store_->Load().value()).value());
    if (state_->revision() > 0) {
      return;
    }
    model::NodeHello hello;
    hello.name = "gw";
    hello.public_key = model::BytesOf(model::KeyNumber(1));
    hello.advertise = "gw.example.com:51820";
    hello.listen_port = 51820;
    hello.mtu = 1280;
    EXPECT_TRUE(Store(model::RegisterNode(*state_, hello, model::kNow)).ok());
  }

  absl::Status Store(absl::StatusOr<model::Change> change) {
    RETURN_IF_ERROR(change.status());
    RETURN_IF_ERROR(store_->Commit(*change));
    model::ApplyChange(*state_, *std::move(change));
    return absl::OkStatus();
  }
  // Named by the revision that makes it.
  absl::Status StorePeer() {
    model::PeerCreate create;
    create.name = "peer-" + std::to_string(state_->revision() + 1);
    create.public_key =
        model::KeyNumber(static_cast<std::uint32_t>(1'000 + state_->revision())).ToBase64();
    create.preshared_key = model::KeyNumber(77).ToBase64();
    return Store(model::CreatePeer(*state_, create, model::kNow));
  }

  SqliteStore& store() { return *store_; }
  model::State& state() { return *state_; }

 private:
  std::unique_ptr<SqliteStore> store_;
  std::optional<model::State> state_;
};

// Everything that a store keeps, to compare.
inline auto ContentOf(const model::State& state) {
  return std::tuple(state.epoch(), state.revision(), state.nodes(), state.peers(),
                    state.resources(), state.policies());
}

}  // namespace adit::store
