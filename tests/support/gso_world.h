#pragma once

#include <array>
#include <cerrno>
#include <functional>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/gso_oracle.h"

namespace adit::io {

inline packet::DatagramPath PathTo(std::string_view remote, std::uint8_t tos = 0) {
  packet::DatagramPath path;
  path.remote = Endpoint::Parse(remote).value();
  path.tos = tos;
  return path;
}

inline packet::DatagramPath WithSource(packet::DatagramPath path, std::string_view source) {
  path.source = {IpAddress::Parse(source).value(), 7};
  return path;
}

// Flows whose places in the mask differ.
inline std::uint32_t FlowOf(std::uint32_t i) { return i * 0x01000193U + 5; }

// What was put in and must come out.
struct Expected {
  std::uint32_t peer = 0;
  std::uint32_t flow = 0;
  std::uint32_t size = 0;
  const packet::DatagramPath* path = nullptr;
  bool is_gone = false;
};

// A GsoQueue and its oracle, side by side: bursts of trains, control datagrams, rollbacks and
// endpoint changes, and a kernel that takes, blocks or refuses. Whoever makes the choices decides
// what happens: a random generator, or a fuzzer's bytes.
class GsoWorld final : public BatchSender {
 public:
  // choose: any number; it is reduced to what is chosen among.
  explicit GsoWorld(std::function<std::uint32_t()> choose) : choose_(std::move(choose)) {
    for (const char* remote :
         {"192.0.2.1:1", "192.0.2.1:2", "198.51.100.7:9", "[2001:db8::1]:1", "[2001:db8::2]:1"}) {
      for (const std::uint8_t tos : std::array<std::uint8_t, 3>{0, 2, 3}) {
        paths_.push_back(PathTo(remote, tos));
        paths_.push_back(WithSource(PathTo(remote, tos), "192.0.2.200"));
      }
    }
  }

  // Some trains, control datagrams, rollbacks and endpoint changes; then a drain that may stop.
  void Burst() {
    Shape();
    const std::uint32_t steps = Pick(24);
    for (std::uint32_t step = 0; step < steps && failure_ == nullptr; ++step) {
      const std::uint32_t what = Pick(40);
      if (what == 0) {
        const std::uint32_t peer = Pick(peer_count_);
        endpoint_of_[peer] = Pick(kEndpoints);
        queue_.StartEpoch(peer);
        peers_[peer].StartEpoch();
      } else if (what == 1) {
        PutControl();
      } else {
        PutTrain();
      }
    }
    Check(queue_.InvariantsHold(), "invariants after a burst");
    if (Pick(3) > 0) Drain();
  }

  // Everything that is left leaves.
  void Finish() {
    mood_ = {};
    Drain();
    Check(queue_.IsEmpty(), "the queue is empty");
    for (const Expected& e : expected_) Check(e.is_gone, "every datagram left or was refused");
    for (const auto& [peer, oracle] : peers_) Check(oracle.empty(), "the oracle is empty");
    Check(queue_.HasRoomForSuperPacket(), "all buffers came back");
    Check(
        queue_.counters().data_datagrams + queue_.counters().refused_datagrams == expected_.size(),
        "the counters add up");
  }

  // --- BatchSender
  SendResult Send(const SendBatch& batch) override {
    const std::size_t family = IndexOf(batch.path.remote.address.family());
    if (batch.is_control) return SendControl(family);
    CheckIsValid(batch);
    Check(control_waiting_[family] == 0, "control before data of its family");
    data_was_sent_ = true;

    OracleBatch& model = peers_[batch.peer].Attempt();
    CheckIsWhatTheOracleSends(batch, model);
    if (Chance(mood_.not_writable)) {
      blocked_[family] = true;
      const bool may_send_some = !batch.use_gso && batch.count > 1;
      const std::uint32_t some = may_send_some ? Pick(batch.count) : 0;
      Take(batch, model, some, true);
      return {some, EAGAIN};
    }
    if (batch.use_gso && Chance(mood_.refuses_gso)) return {0, EMSGSIZE};
    if (Chance(mood_.refuses)) {
      Take(batch, model, batch.count, false);
      return {0, EPERM};
    }
    Take(batch, model, batch.count, true);
    return {batch.count, 0};
  }
  bool PauseForBuffers(std::uint32_t) override { return false; }

  // The first rule that was violated; nullptr: none.
  [[nodiscard]] const char* failure() const { return failure_; }
  [[nodiscard]] std::size_t datagrams() const { return expected_.size(); }
  [[nodiscard]] const GsoCounters& counters() const { return queue_.counters(); }

 private:
  static constexpr std::uint32_t kEndpoints = 5;
  // Chances in a thousand.
  struct Mood {
    std::uint32_t not_writable = 0;
    std::uint32_t refuses_gso = 0;
    std::uint32_t refuses = 0;
  };

  std::uint32_t Pick(std::uint32_t below) { return choose_() % below; }
  bool Chance(std::uint32_t of_1000) { return of_1000 > 0 && Pick(1000) < of_1000; }

  // What kind of traffic this burst is.
  void Shape() {
    static constexpr std::array<std::uint32_t, 4> kPeers = {1, 2, 6, 200};
    static constexpr std::array<std::uint32_t, 4> kFlows = {1, 3, 20, 5000};
    peer_count_ = kPeers[Pick(4)];
    flow_count_ = kFlows[Pick(4)];
    marks_vary_ = Pick(2) == 0;
    mood_ = {Pick(3) == 0 ? 300U : 0U, Pick(4) == 0 ? 200U : 0U, Pick(8) == 0 ? 50U : 0U};
  }

  std::uint32_t PickSize() {
    static constexpr std::array<std::uint32_t, 8> kUsual = {1452, 1252, 1228, 1031,
                                                            834,  744,  80,   32};
    switch (Pick(16)) {
      case 0:
        return 32 + Pick(1500);
      case 1:
        return Pick(20) == 0 ? 20000 + Pick(45000) : 1252;
      default:
        return kUsual[Pick(kUsual.size())];
    }
  }

  void PutTrain() {
    const std::uint32_t peer = Pick(peer_count_);
    const std::uint32_t flow = FlowOf(Pick(flow_count_));
    packet::TrainRequest request{peer, flow, PickSize(), 1, 0};
    if (Pick(4) == 0) {
      request.count = 1 + Pick(std::min<std::uint32_t>(128, 100000 / request.segment_size + 1));
    }
    request.last_size = Pick(2) == 0 ? request.segment_size : 32 + Pick(request.segment_size - 31);
    const std::uint32_t mark = marks_vary_ ? Pick(6) : 0;
    const packet::DatagramPath& path = paths_[endpoint_of_[peer] * 6 + mark];
    const packet::SendClass send_class =
        Pick(5) == 0 ? packet::SendClass::kSlowPath : packet::SendClass::kFromTun;

    bool is_first_piece = true;
    while (request.count > 0) {
      const bool had_room = queue_.HasRoomForSuperPacket();
      if (Pick(6) == 0) RollBackSomething();
      const packet::Reservation reservation = queue_.ReserveTrain(request, path, send_class);
      if (!reservation.granted()) {
        Check(is_first_piece, "a train is granted whole or not at all");
        const bool is_worst = had_room && send_class == packet::SendClass::kFromTun;
        Check(!is_worst || request.count * request.segment_size > 87000,
              "a super-packet fits where there is room for one");
        Drain();
        return;
      }
      if (Pick(10) == 0) {
        queue_.Rollback();
        continue;
      }
      Fill(reservation, request, path);
      queue_.Commit();
      const bool took_reserve = had_room && !queue_.HasRoomForSuperPacket();
      Check(!took_reserve || send_class == packet::SendClass::kFromTun,
            "slow path takes no reserve");
      request.count -= reservation.count;
      is_first_piece = false;
    }
  }

  void RollBackSomething() {
    const std::uint32_t size = PickSize();
    const packet::Reservation reservation =
        queue_.ReserveTrain({Pick(peer_count_), FlowOf(Pick(flow_count_)), size, 1, size},
                            paths_[Pick(30)], packet::SendClass::kFromTun);
    if (!reservation.granted()) return;
    std::fill(reservation.bytes.begin(), reservation.bytes.end(), std::uint8_t{0xEE});
    queue_.Rollback();
  }

  // Writes and remembers the datagrams granted, and puts them into the oracle.
  void Fill(const packet::Reservation& reservation, const packet::TrainRequest& request,
            const packet::DatagramPath& path) {
    std::vector<OracleDatagram> left;
    const auto first_id = static_cast<std::uint32_t>(expected_.size());
    for (std::uint32_t i = 0; i < request.count; ++i) {
      const bool is_last = i + 1 == request.count;
      left.push_back({first_id + i, is_last ? request.last_size : request.segment_size});
    }
    const std::uint32_t added = peers_[request.peer].AddPiece(left, request.flow_hash, path);
    Check(added == reservation.count, "as many are granted as the oracle takes");
    std::size_t offset = 0;
    for (std::uint32_t i = 0; i < reservation.count; ++i) {
      StoreLe32(reservation.bytes.data() + offset, left[i].id);
      offset += left[i].size;
      StoreLe32(reservation.bytes.data() + offset - 4, left[i].id);
      expected_.push_back({request.peer, request.flow_hash, left[i].size, &path});
    }
    Check(offset == reservation.bytes.size(), "the span is as long as its datagrams");
  }

  void PutControl() {
    const packet::DatagramPath& path = paths_[Pick(30)];
    std::vector<std::uint8_t> bytes(32 + Pick(100));
    const bool is_taken = queue_.SendControl(bytes, path, packet::ControlKind::kHandshake);
    if (is_taken) ++control_waiting_[IndexOf(path.remote.address.family())];
    Check(queue_.counters().control_evicted == 0, "so few control datagrams always fit");
  }

  void Drain() {
    data_was_sent_ = false;
    for (const IpFamily family : kFamilies) {
      if (!blocked_[IndexOf(family)] || Pick(2) == 0 || mood_.not_writable == 0) {
        blocked_[IndexOf(family)] = false;
        queue_.HandleWritable(family);
      }
    }
    now_ = now_ + milliseconds(10);
    const DrainReport& report = queue_.Drain(*this, now_);
    Check(report.await_writable == blocked_, "the report says who is suspended");
    Check(queue_.InvariantsHold(), "invariants after a drain");
  }

  SendResult SendControl(std::size_t family) {
    Check(!data_was_sent_, "control before data");
    if (Chance(mood_.not_writable)) {
      blocked_[family] = true;
      return {0, EAGAIN};
    }
    --control_waiting_[family];
    return {1, 0};
  }

  void CheckIsValid(const SendBatch& batch) {
    Check(batch.count >= 1 && batch.count <= 64, "1 to 64 segments");
    Check(batch.bytes.size() <= MaxSendBytes(batch.path.remote.address.family()), "one datagram");
    Check(batch.bytes.size() > std::size_t{batch.count - 1} * batch.segment_size &&
              batch.bytes.size() <= std::size_t{batch.count} * batch.segment_size,
          "equal segments and a last");
    for (std::uint32_t i = 0; i < batch.count && failure_ == nullptr; ++i) {
      const ByteSpan rest = batch.bytes.subspan(std::size_t{i} * batch.segment_size);
      const std::uint32_t id = LoadLe32(rest.data());
      Check(id < expected_.size(), "a datagram that was put in");
      if (failure_ != nullptr) return;
      const Expected& e = expected_[id];
      Check(e.peer == batch.peer && *e.path == batch.path, "to whom it was put in");
      Check(e.size == std::min<std::size_t>(rest.size(), batch.segment_size), "as long as it was");
      Check(LoadLe32(rest.data() + e.size - 4) == id, "its bytes whole");
    }
    // Sizes never increase within an epoch of a peer.
    auto& [epoch, size] = last_send_of_[batch.peer];
    Check(batch.epoch >= epoch, "epochs leave in order");
    Check(batch.epoch > epoch || batch.segment_size <= size, "larger before smaller");
    epoch = batch.epoch;
    size = batch.segment_size;
  }

  void CheckIsWhatTheOracleSends(const SendBatch& batch, const OracleBatch& model) {
    Check(batch.count == model.datagrams.size(), "as many as the oracle sends");
    for (std::uint32_t i = 0; i < batch.count && failure_ == nullptr; ++i) {
      const std::size_t at = std::size_t{i} * batch.segment_size;
      Check(LoadLe32(batch.bytes.data() + at) == model.datagrams[i].id, "the oracle's datagram");
    }
  }

  // The first `count` datagrams left, or were refused.
  void Take(const SendBatch& batch, OracleBatch& model, std::uint32_t count, bool is_sent) {
    for (std::uint32_t i = 0; i < count && failure_ == nullptr; ++i) {
      const std::uint32_t id = model.datagrams.front().id;
      model.datagrams.pop_front();
      Expected& e = expected_[id];
      Check(!e.is_gone, "no datagram leaves twice");
      e.is_gone = true;
      if (!is_sent) continue;
      const auto [last, is_first] = last_of_flow_.try_emplace({e.peer, e.flow}, id);
      Check(is_first || last->second < id, "a flow keeps its order");
      last->second = id;
    }
    if (model.datagrams.empty()) peers_[batch.peer].RemoveFirst();
  }

  void Check(bool holds, const char* what) {
    if (holds || failure_ != nullptr) return;
    failure_ = what;
  }

  std::function<std::uint32_t()> choose_;
  std::vector<packet::DatagramPath> paths_;  // 6 for each of 5 endpoints
  GsoQueue queue_;
  std::map<std::uint32_t, OraclePeer> peers_;
  std::map<std::uint32_t, std::uint32_t> endpoint_of_;
  std::vector<Expected> expected_;  // by id
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> last_of_flow_;
  std::map<std::uint32_t, std::pair<std::uint64_t, std::uint32_t>> last_send_of_;
  std::array<bool, kFamilyCount> blocked_{};
  std::array<int, kFamilyCount> control_waiting_{};
  bool data_was_sent_ = false;
  Instant now_{seconds(1)};

  std::uint32_t peer_count_ = 1;
  std::uint32_t flow_count_ = 1;
  bool marks_vary_ = false;
  Mood mood_;
  const char* failure_ = nullptr;
};

}  // namespace adit::io
