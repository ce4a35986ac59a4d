#include "tests/bench/gso_rules.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <unordered_map>

#include "dataplane/io/gso_queue.h"

namespace adit::bench {
namespace {

bool HasRoom(const Burst& batch, std::uint32_t size) {
  return batch.size() < io::kMaxSegmentsPerSend &&
         batch.size() * batch.front().size + size <= io::kMaxSendBytesV4;
}

// The datagrams carry their index in `sent_`, so that what leaves can be recognised.
class Ours final : public Rule, public io::BatchSender {
 public:
  std::string name() const override { return "ours"; }

  std::vector<Burst> Send(const Burst& burst) override {
    batches_.clear();
    burst_ = &burst;
    for (std::uint32_t i = 0; i < burst.size(); ++i) {
      if (!Put(burst[i], i)) {
        Drain();
        if (!Put(burst[i], i)) {
          std::abort();  // an empty queue takes any datagram
        }
      }
    }
    Drain();
    return std::move(batches_);
  }

  io::SendResult Send(const io::SendBatch& batch) override {
    Burst& out = batches_.emplace_back();
    for (std::uint32_t i = 0; i < batch.count; ++i) {
      const std::uint8_t* at = batch.bytes.data() + std::size_t{i} * batch.segment_size;
      out.push_back((*burst_)[LoadLe32(at)]);
    }
    return {batch.count, 0};
  }
  bool PauseForBuffers(std::uint32_t) override { return false; }

 private:
  bool Put(const Datagram& datagram, std::uint32_t index) {
    packet::DatagramPath path;
    const std::uint8_t host[4] = {198, 18, static_cast<std::uint8_t>(datagram.peer >> 8),
                                  static_cast<std::uint8_t>(datagram.peer)};
    path.remote = {IpAddress::V4(host), 51'820, 0};
    const packet::TrainRequest request{datagram.peer, datagram.flow * 0x9E3779B1U, datagram.size, 1,
                                       datagram.size};
    const packet::Reservation reservation =
        queue_.ReserveTrain(request, path, packet::SendClass::kFromTun);
    if (!reservation.granted()) {
      return false;
    }
    StoreLe32(reservation.bytes.data(), index);
    queue_.Commit();
    return true;
  }
  void Drain() { static_cast<void>(queue_.Drain(*this, Instant(seconds(1)))); }

  io::GsoQueue queue_;
  const Burst* burst_ = nullptr;
  std::vector<Burst> batches_;
};

class Fifo final : public Rule {
 public:
  std::string name() const override { return "first-in-first-out"; }

  std::vector<Burst> Send(const Burst& burst) override {
    std::vector<Burst> batches;
    std::unordered_map<std::uint32_t, std::size_t> open;  // by peer: its last batch
    for (const Datagram& datagram : burst) {
      const auto found = open.find(datagram.peer);
      Burst* last = found == open.end() ? nullptr : &batches[found->second];
      const bool is_sealed = last != nullptr && last->back().size < last->front().size;
      if (last != nullptr && !is_sealed && datagram.size <= last->front().size &&
          HasRoom(*last, datagram.size)) {
        last->push_back(datagram);
        continue;
      }
      open[datagram.peer] = batches.size();
      batches.push_back({datagram});
    }
    return batches;
  }
};

// One open batch for each peer and size; what is open longest does not matter.
class BySize final : public Rule {
 public:
  explicit BySize(bool is_larger_first) : is_larger_first_(is_larger_first) {}
  std::string name() const override {
    return is_larger_first_ ? "larger-first, no flow safety" : "smallest-first";
  }

  std::vector<Burst> Send(const Burst& burst) override {
    std::vector<Burst> batches;
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::size_t> open;
    for (const Datagram& datagram : burst) {
      const auto key = std::pair(datagram.peer, datagram.size);
      const auto found = open.find(key);
      if (found != open.end() && HasRoom(batches[found->second], datagram.size)) {
        batches[found->second].push_back(datagram);
        continue;
      }
      open[key] = batches.size();
      batches.push_back({datagram});
    }
    std::ranges::stable_sort(batches, [this](const Burst& a, const Burst& b) {
      return is_larger_first_ ? a.front().size > b.front().size : a.front().size < b.front().size;
    });
    return batches;
  }

 private:
  const bool is_larger_first_;
};

}  // namespace

std::unique_ptr<Rule> OurRule() { return std::make_unique<Ours>(); }
std::unique_ptr<Rule> FirstInFirstOut() { return std::make_unique<Fifo>(); }
std::unique_ptr<Rule> LargerFirst() { return std::make_unique<BySize>(true); }
std::unique_ptr<Rule> SmallestFirst() { return std::make_unique<BySize>(false); }

std::vector<std::unique_ptr<Rule>> AllRules() {
  std::vector<std::unique_ptr<Rule>> rules;
  rules.push_back(OurRule());
  rules.push_back(FirstInFirstOut());
  rules.push_back(LargerFirst());
  rules.push_back(SmallestFirst());
  return rules;
}

Outcome Measure(Rule& rule, const Traffic& traffic) {
  Outcome outcome;
  std::unordered_map<std::uint32_t, std::uint32_t> latest;  // by flow, one past the last sequence
  for (const Burst& burst : traffic.bursts) {
    for (const Burst& batch : rule.Send(burst)) {
      ++outcome.sends;
      outcome.datagrams += batch.size();
      for (const Datagram& datagram : batch) {
        std::uint32_t& next = latest[datagram.flow];
        outcome.reordered += datagram.sequence < next ? 1 : 0;
        next = std::max(next, datagram.sequence + 1);
      }
    }
  }
  return outcome;
}

}  // namespace adit::bench
