#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

// Traffic for comparing ways to gather datagrams into batches.
namespace adit::bench {

struct Datagram {
  std::uint32_t peer = 0;
  std::uint32_t flow = 0;      // unique over all peers
  std::uint32_t sequence = 0;  // within its flow
  std::uint32_t size = 0;
};

// What becomes ready between two drains.
using Burst = std::vector<Datagram>;

struct Traffic {
  std::string name;
  std::vector<Burst> bursts;
};

// Numbers the datagrams of each flow as they come.
class TrafficMaker {
 public:
  explicit TrafficMaker(std::uint32_t seed) : random_(seed) {}

  // Downloads as TCP sends them: trains of full segments, most with a short end.
  [[nodiscard]] Traffic OneBulkFlow(std::size_t bursts);
  // The same, with acknowledgements of other flows in between.
  [[nodiscard]] Traffic BulkAndAcks(std::size_t bursts);
  // 64 flows to one peer, each with sizes of its own liking.
  [[nodiscard]] Traffic MixedFlows(std::size_t bursts);
  // 1,000 peers, of which some have something in each burst.
  [[nodiscard]] Traffic ManyPeers(std::size_t bursts);
  // 1228, 834, 1031, 1228, 834 of one flow, over and over: what larger-first alone reorders.
  [[nodiscard]] Traffic UnevenFlow(std::size_t bursts);
  [[nodiscard]] std::vector<Traffic> All(std::size_t bursts);

 private:
  std::uint32_t Pick(std::uint32_t below) { return static_cast<std::uint32_t>(random_() % below); }
  void Add(Burst& burst, std::uint32_t peer, std::uint32_t flow, std::uint32_t size);
  void AddDownload(Burst& burst, std::uint32_t peer, std::uint32_t flow);

  std::mt19937 random_;
  std::vector<std::uint32_t> next_sequence_;  // by flow
};

}  // namespace adit::bench
