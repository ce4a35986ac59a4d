#include <algorithm>
#include <deque>

#include <gtest/gtest.h>

#include "controlplane/sync/node_sync.h"
#include "tests/controlplane/sync/model_data_plane.h"
#include "tests/support/seeded_random.h"

namespace adit::sync {
namespace {

constexpr int kSchedules = 10'000;
constexpr int kSteps = 60;

// One hub, one data plane and an unkind stream between them, all random: messages are lost, doubled
// and change places (a real stream does none of it: it breaks), the stream breaks, either side
// restarts, the data plane loses its state or its disk is full, the hub's store is restored.
//
// Always: what the data plane holds is part of the view at its revision, or at what the hub has
// settled if that is later: never a right that the model had taken away by then. Its revision never
// goes down within an epoch.
// At the end, when the stream is kind again: it holds all of the view except what it cannot accept.
class Schedule {
 public:
  explicit Schedule(std::uint64_t seed) : random_(seed) {
    history_.push_back({});
    StartHub();
  }

  void Run() {
    for (int step = 0; step < kSteps && !::testing::Test::HasFailure(); ++step) {
      RandomStep();
      CheckRights();
    }
    Settle();
  }

 private:
  // What the store held at each revision of its epoch.
  [[nodiscard]] const Objects& View() const { return history_.back(); }
  [[nodiscard]] std::uint64_t revision() const { return history_.size() - 1; }

  void StartHub() {
    Disconnect();
    SyncLimits limits;
    limits.chunk_bytes = 200;  // several chunks
    hub_.emplace(epoch_, now_, limits);
    std::vector<Object> objects;
    for (const auto& [id, body] : View()) {
      objects.push_back({id, body});
    }
    hub_->HandleViewChange(revision(), std::move(objects), {}, now_);
  }

  void RestoreStore() {
    const std::size_t kept = 1 + random_.Below(history_.size());
    history_.resize(kept);
    epoch_ = std::string(15, 'e') + static_cast<char>('A' + ++restores_);
    StartHub();
  }

  void Disconnect() {
    if (hub_) {
      hub_->HandleDisconnected(now_);
    }
    is_connected_ = false;
    to_plane_.clear();
    to_hub_.clear();
  }

  void Connect() {
    Disconnect();
    plane_.Connect();
    const absl::Status status = hub_->HandleHello(plane_.MakeHello(), now_);
    ASSERT_TRUE(status.ok()) << status;
    is_connected_ = true;
  }

  ObjectId AnyId() {
    const std::string number(1, static_cast<char>('1' + random_.Below(4)));
    const std::string key(kKeySize, number[0]);
    switch (random_.Below(6)) {
      case 0:
        return model::InterfaceId();
      case 1:
      case 2:
        return {model::ViewKind::kPeer, key};
      case 3:
        return {model::ViewKind::kResource, "r" + std::to_string(random_.Below(3))};
      default:
        return {model::ViewKind::kGrant, key + "r" + std::to_string(random_.Below(3))};
    }
  }

  void ChangeView() {
    Objects next = View();
    std::vector<Object> upserts;
    std::vector<ObjectId> removals;
    const std::uint64_t count = random_.Below(5);  // sometimes elsewhere
    for (std::uint64_t i = 0; i < count; ++i) {
      const ObjectId id = AnyId();
      const bool is_named = std::any_of(upserts.begin(), upserts.end(),
                                        [&](const Object& object) { return object.id == id; }) ||
                            std::find(removals.begin(), removals.end(), id) != removals.end();
      if (is_named) {
        continue;
      }
      if (next.contains(id) && random_.Chance(0.5)) {
        next.erase(id);
        removals.push_back(id);
        continue;
      }
      std::string body(1, static_cast<char>('a' + random_.Below(3)));
      body += std::to_string(random_.Below(4)) + (random_.Chance(0.15) ? "!" : "");
      next.insert_or_assign(id, body);
      upserts.push_back({id, body});
    }
    history_.push_back(std::move(next));
    hub_->HandleViewChange(revision(), std::move(upserts), removals, now_);
  }

  template <typename T>
  void Send(std::deque<T>& queue, T message) {
    if (is_kind_) {
      queue.push_back(std::move(message));
      return;
    }
    if (random_.Chance(0.05)) {
      return;
    }
    if (random_.Chance(0.05)) {
      queue.push_back(message);
    }
    queue.push_back(std::move(message));
    if (queue.size() > 1 && random_.Chance(0.05)) {
      std::swap(queue[queue.size() - 1], queue[queue.size() - 2]);
    }
  }

  void PollHub() {
    while (auto message = hub_->PollMessage(now_)) {
      if (std::holds_alternative<Close>(*message)) {
        Disconnect();
        return;
      }
      Send(to_plane_, *std::move(message));
    }
  }

  void DeliverToPlane() {
    if (to_plane_.empty()) {
      return;
    }
    const Message message = std::move(to_plane_.front());
    to_plane_.pop_front();
    const std::string epoch_before = plane_.epoch;
    const std::uint64_t revision_before = plane_.revision;
    std::optional<Answer> answer;
    if (const auto* chunk = std::get_if<SnapshotChunk>(&message)) {
      answer = plane_.Receive(*chunk);
    } else if (const auto* delta = std::get_if<Delta>(&message)) {
      answer = plane_.Receive(*delta);
    } else if (const auto* ping = std::get_if<Ping>(&message)) {
      hub_->HandlePong(ping->nonce, now_);
    }
    if (plane_.epoch == epoch_before) {
      EXPECT_GE(plane_.revision, revision_before);
    }
    if (answer) {
      Send(to_hub_, *std::move(answer));
    }
  }

  void DeliverToHub() {
    if (to_hub_.empty()) {
      return;
    }
    const Answer answer = std::move(to_hub_.front());
    to_hub_.pop_front();
    if (const auto* ack = std::get_if<Ack>(&answer)) {
      hub_->HandleAck(*ack, now_);
    } else {
      hub_->HandleNack(std::get<Nack>(answer), now_);
    }
  }

  void Advance(Duration duration) {
    now_.boot = now_.boot + duration;
    now_.wall = now_.wall + duration;
    hub_->HandleTick(now_);
  }

  void RandomStep() {
    const std::uint64_t kind = random_.Below(100);
    if (kind < 25) {
      ChangeView();
    } else if (kind < 50) {
      DeliverToPlane();
    } else if (kind < 75) {
      DeliverToHub();
    } else if (kind < 82) {
      Connect();
    } else if (kind < 85) {
      Disconnect();
    } else if (kind < 88) {
      StartHub();
    } else if (kind < 89) {
      RestoreStore();
    } else if (kind < 91) {
      Disconnect();
      plane_ = ModelDataPlane();
    } else if (kind < 94) {
      plane_.is_full = !plane_.is_full;
    } else {
      Advance(seconds(static_cast<int>(1 + random_.Below(6))));
    }
    if (!is_connected_ && random_.Chance(0.5)) {
      Connect();
    }
    PollHub();
  }

  void CheckRights() {
    if (plane_.epoch != epoch_) {
      return;  // of before a restore
    }
    const std::uint64_t at = std::max(plane_.revision, hub_->settled_revision());
    ASSERT_LT(at, history_.size());
    for (const auto& [id, body] : plane_.objects) {
      const auto allowed = history_[at].find(id);
      ASSERT_TRUE(allowed != history_[at].end() && allowed->second == body)
          << "holds at revision " << at << " what the model does not";
    }
  }

  void Settle() {
    is_kind_ = true;
    plane_.is_full = false;
    // A session that lives goes on: connecting anew would try again what must be tried without it.
    if (!is_connected_) {
      Connect();
    }
    for (int round = 0; round < 200; ++round) {
      PollHub();
      if (!is_connected_) {
        Connect();
        PollHub();
      }
      DeliverToPlane();
      DeliverToHub();
      CheckRights();
      if (to_plane_.empty() && to_hub_.empty()) {
        Advance(seconds(1));
      }
    }
    ASSERT_EQ(hub_->settled_revision(), revision());
    EXPECT_EQ(hub_->problem(), "");
    for (const auto& [id, body] : View()) {
      const auto held = plane_.objects.find(id);
      if (held != plane_.objects.end()) {
        EXPECT_EQ(held->second, body);
        continue;
      }
      EXPECT_TRUE(ModelDataPlane::Judge(plane_.objects, id, body).has_value())
          << "missing, though it would be accepted";
      const Outcome outcome = hub_->OutcomeFor(revision(), std::vector{id});
      EXPECT_EQ(outcome.state, Outcome::State::kRejected);
    }
    EXPECT_LE(plane_.objects.size(), View().size());
    CheckRights();
  }

  testing::SeededRandom random_;
  Now now_{Instant(seconds(100)), WallTime(seconds(1'700'000'000))};
  std::string epoch_ = std::string(15, 'e') + 'A';
  int restores_ = 0;
  std::vector<Objects> history_;
  std::optional<NodeSync> hub_;
  ModelDataPlane plane_;
  bool is_connected_ = false;
  bool is_kind_ = false;
  std::deque<Message> to_plane_;
  std::deque<Answer> to_hub_;
};

TEST(RandomSchedules, EndAtTheModelsStateAndNeverHoldMoreRightsOnTheWay) {
  for (std::uint64_t seed = 1; seed <= kSchedules; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Schedule(seed).Run();
    if (HasFailure()) {
      return;
    }
  }
}

}  // namespace
}  // namespace adit::sync
