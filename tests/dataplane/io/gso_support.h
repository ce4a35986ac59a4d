#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "dataplane/io/gso_queue.h"
#include "tests/support/gso_world.h"

// What the tests of the GSO queue share: datagrams that know who they are, and a sender that
// follows a script.
namespace adit::io {

inline packet::DatagramPath V4(std::uint8_t tos = 0) { return PathTo("192.0.2.1:51820", tos); }
inline packet::DatagramPath V6(std::uint8_t tos = 0) { return PathTo("[2001:db8::1]:51820", tos); }

inline Instant At(Duration since_boot) { return Instant(seconds(1000) + since_boot); }

// The first bytes of each datagram are its number.
struct SentDatagram {
  std::uint32_t id = 0;
  std::uint32_t size = 0;
  friend bool operator==(const SentDatagram&, const SentDatagram&) = default;
};

struct SentBatch {
  std::vector<SentDatagram> datagrams;
  packet::DatagramPath path;
  std::uint32_t peer = 0;
  std::uint64_t epoch = 0;
  std::uint32_t segment_size = 0;
  bool use_gso = false;
  bool is_control = false;

  [[nodiscard]] std::vector<std::uint32_t> sizes() const {
    std::vector<std::uint32_t> sizes;
    for (const SentDatagram& d : datagrams) sizes.push_back(d.size);
    return sizes;
  }
  [[nodiscard]] std::vector<std::uint32_t> ids() const {
    std::vector<std::uint32_t> ids;
    for (const SentDatagram& d : datagrams) ids.push_back(d.id);
    return ids;
  }
};

// Records what it is given and answers by `answer`, or by the script, or that all was sent.
class ScriptedSender final : public BatchSender {
 public:
  SendResult Send(const SendBatch& batch) override {
    SentBatch seen = Seen(batch);
    SendResult result{batch.count, 0};
    if (answer) {
      result = answer(batch);
    } else if (!script.empty()) {
      result = script.front();
      script.pop_front();
    }
    attempts.push_back(seen);
    seen.datagrams.resize(result.datagrams_sent);
    if (result.datagrams_sent > 0) sent.push_back(std::move(seen));
    return result;
  }

  bool PauseForBuffers(std::uint32_t attempt) override {
    pauses.push_back(attempt);
    return attempt < pause_limit;
  }

  void Fail(int error, int times = 1) {
    for (int i = 0; i < times; ++i) script.push_back({0, error});
  }
  void Clear() {
    attempts.clear();
    sent.clear();
    pauses.clear();
  }
  [[nodiscard]] std::vector<std::vector<std::uint32_t>> SentSizes() const {
    std::vector<std::vector<std::uint32_t>> sizes;
    for (const SentBatch& batch : sent) sizes.push_back(batch.sizes());
    return sizes;
  }
  [[nodiscard]] std::vector<std::uint32_t> SentIds() const {
    std::vector<std::uint32_t> ids;
    for (const SentBatch& batch : sent) {
      for (const SentDatagram& d : batch.datagrams) ids.push_back(d.id);
    }
    return ids;
  }

  std::function<SendResult(const SendBatch&)> answer;
  std::deque<SendResult> script;
  std::uint32_t pause_limit = 0;

  std::vector<SentBatch> attempts;
  std::vector<SentBatch> sent;
  std::vector<std::uint32_t> pauses;

 private:
  static SentBatch Seen(const SendBatch& batch) {
    SentBatch seen{.datagrams = {},
                   .path = batch.path,
                   .peer = batch.peer,
                   .epoch = batch.epoch,
                   .segment_size = batch.segment_size,
                   .use_gso = batch.use_gso,
                   .is_control = batch.is_control};
    for (std::uint32_t i = 0; i < batch.count; ++i) {
      const ByteSpan rest = batch.bytes.subspan(std::size_t{i} * batch.segment_size);
      const bool is_last = i + 1 == batch.count;
      const std::size_t size = is_last ? rest.size() : batch.segment_size;
      EXPECT_GE(size, 4U);
      EXPECT_LE(size, batch.segment_size);
      EXPECT_LE(size, rest.size());
      seen.datagrams.push_back({LoadLe32(rest.data()), static_cast<std::uint32_t>(size)});
    }
    EXPECT_FALSE(batch.use_gso && batch.count == 1) << "a lone datagram needs no GSO";
    return seen;
  }
};

// Puts trains of numbered datagrams into a queue.
class Producer {
 public:
  explicit Producer(GsoQueue& queue) : queue_(queue) {}

  // False: no room for (the rest of) it.
  bool Put(std::uint32_t peer, std::uint32_t flow, std::uint32_t size,
           const packet::DatagramPath& path,
           packet::SendClass send_class = packet::SendClass::kFromTun) {
    return PutTrain({peer, flow, size, 1, size}, path, send_class);
  }

  bool PutTrain(packet::TrainRequest request, const packet::DatagramPath& path,
                packet::SendClass send_class = packet::SendClass::kFromTun) {
    while (request.count > 0) {
      const packet::Reservation reservation = queue_.ReserveTrain(request, path, send_class);
      if (!reservation.granted()) return false;
      Number(reservation, request);
      queue_.Commit();
      request.count -= reservation.count;
      EXPECT_TRUE(queue_.InvariantsHold());
    }
    return true;
  }

  // Numbers the datagrams of a reservation.
  void Number(const packet::Reservation& reservation, const packet::TrainRequest& request) {
    for (std::uint32_t i = 0; i < reservation.count; ++i) {
      StoreLe32(reservation.bytes.data() + std::size_t{i} * request.segment_size, next_id_++);
    }
  }

  bool PutControl(const packet::DatagramPath& path,
                  packet::ControlKind kind = packet::ControlKind::kHandshake,
                  std::size_t size = 148) {
    std::vector<std::uint8_t> bytes(size);
    StoreLe32(bytes.data(), next_id_++);
    return queue_.SendControl(bytes, path, kind);
  }

  [[nodiscard]] std::uint32_t next_id() const { return next_id_; }

 private:
  GsoQueue& queue_;
  std::uint32_t next_id_ = 0;
};

class GsoQueueTest : public ::testing::Test {
 protected:
  const DrainReport& Drain(Duration at = {}) { return queue_.Drain(sender_, At(at)); }

  // One datagram in a buffer of its own for each of `count` peers, from `first_peer` on.
  void FillBuffers(std::uint32_t first_peer, std::size_t count, const packet::DatagramPath& path) {
    for (std::uint32_t i = 0; i < count; ++i) {
      ASSERT_TRUE(producer_.Put(first_peer + i, FlowOf(i), 100, path));
    }
  }

  GsoQueue queue_;
  Producer producer_{queue_};
  ScriptedSender sender_;
};

using Sizes = std::vector<std::vector<std::uint32_t>>;
using Ids = std::vector<std::uint32_t>;

}  // namespace adit::io
