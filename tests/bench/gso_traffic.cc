#include "tests/bench/gso_traffic.h"

#include <algorithm>

namespace adit::bench {
namespace {

constexpr std::uint32_t kFull = 1'252;  // payload of a tunnel datagram at MTU 1280, less its head
constexpr std::uint32_t kAck = 96;

}  // namespace

void TrafficMaker::Add(Burst& burst, std::uint32_t peer, std::uint32_t flow, std::uint32_t size) {
  next_sequence_.resize(std::max<std::size_t>(next_sequence_.size(), flow + 1));
  burst.push_back({peer, flow, next_sequence_[flow]++, size});
}

void TrafficMaker::AddDownload(Burst& burst, std::uint32_t peer, std::uint32_t flow) {
  const std::uint32_t segments = 4 + Pick(40);
  for (std::uint32_t i = 0; i < segments; ++i) {
    Add(burst, peer, flow, kFull);
  }
  if (Pick(10) != 0) {
    Add(burst, peer, flow, 40 + Pick(kFull - 40));
  }
}

Traffic TrafficMaker::OneBulkFlow(std::size_t bursts) {
  Traffic traffic{"one bulk flow", std::vector<Burst>(bursts)};
  for (Burst& burst : traffic.bursts) {
    for (std::uint32_t trains = 1 + Pick(4); trains > 0; --trains) {
      AddDownload(burst, 0, 0);
    }
  }
  return traffic;
}

Traffic TrafficMaker::BulkAndAcks(std::size_t bursts) {
  Traffic traffic{"bulk flows and acknowledgements of others", std::vector<Burst>(bursts)};
  for (Burst& burst : traffic.bursts) {
    for (std::uint32_t trains = 1 + Pick(4); trains > 0; --trains) {
      AddDownload(burst, 0, Pick(2));
      for (std::uint32_t acks = Pick(4); acks > 0; --acks) {
        Add(burst, 0, 2 + Pick(8), kAck);
      }
    }
  }
  return traffic;
}

Traffic TrafficMaker::MixedFlows(std::size_t bursts) {
  static constexpr std::uint32_t kSizes[] = {96, 160, 320, 640, 1'000, kFull};
  Traffic traffic{"64 mixed flows to one peer", std::vector<Burst>(bursts)};
  for (Burst& burst : traffic.bursts) {
    for (std::uint32_t datagrams = 40 + Pick(80); datagrams > 0; --datagrams) {
      const std::uint32_t flow = Pick(64);
      // Mostly the flow's usual size.
      const std::uint32_t kind = Pick(8) == 0 ? Pick(6) : flow % 6;
      Add(burst, 0, flow, kSizes[kind]);
    }
  }
  return traffic;
}

Traffic TrafficMaker::ManyPeers(std::size_t bursts) {
  Traffic traffic{"1,000 peers", std::vector<Burst>(bursts)};
  for (Burst& burst : traffic.bursts) {
    for (std::uint32_t busy = 8 + Pick(24); busy > 0; --busy) {
      const std::uint32_t peer = Pick(1'000);
      if (Pick(2) == 0) {
        AddDownload(burst, peer, 2 * peer);
      }
      Add(burst, peer, 2 * peer + 1, kAck);
    }
  }
  return traffic;
}

Traffic TrafficMaker::UnevenFlow(std::size_t bursts) {
  Traffic traffic{"1228, 834, 1031, 1228, 834 of one flow", std::vector<Burst>(bursts)};
  for (Burst& burst : traffic.bursts) {
    for (int times = 0; times < 20; ++times) {
      for (const std::uint32_t size : {1'228U, 834U, 1'031U, 1'228U, 834U}) {
        Add(burst, 0, 0, size);
      }
    }
  }
  return traffic;
}

std::vector<Traffic> TrafficMaker::All(std::size_t bursts) {
  std::vector<Traffic> all;
  // Each counts its flows from 0.
  for (const auto make :
       {&TrafficMaker::OneBulkFlow, &TrafficMaker::BulkAndAcks, &TrafficMaker::MixedFlows,
        &TrafficMaker::ManyPeers, &TrafficMaker::UnevenFlow}) {
    next_sequence_.clear();
    all.push_back((this->*make)(bursts));
  }
  return all;
}

}  // namespace adit::bench
