#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <functional>

#include "dataplane/engine/report.h"
#include "dataplane/io/gso_send.h"
#include "dataplane/io/tun_reader.h"
#include "dataplane/io/tun_writer.h"
#include "dataplane/io/udp_receiver.h"

namespace adit::shard {

// Everything one shard counts, or several together, since its start: 64-bit counts and nothing
// else.
struct ShardCounters {
  engine::Counters engine;  // its drops hold those of the queue and the TUN too
  io::GsoCounters gso;
  io::TunReaderCounters tun_reader;
  io::TunWriterCounters tun_writer;
  io::UdpReceiverCounters udp_receiver;
  std::uint64_t turns = 0;

  ShardCounters& operator+=(const ShardCounters& other) {
    using Words = std::array<std::uint64_t, sizeof(ShardCounters) / sizeof(std::uint64_t)>;
    auto words = std::bit_cast<Words>(*this);
    const auto more = std::bit_cast<Words>(other);
    std::ranges::transform(words, more, words.begin(), std::plus());
    return *this = std::bit_cast<ShardCounters>(words);
  }
};

}  // namespace adit::shard
