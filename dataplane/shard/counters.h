#pragma once

#include <cstdint>

#include "dataplane/engine/report.h"
#include "dataplane/io/gso_send.h"
#include "dataplane/io/tun_reader.h"
#include "dataplane/io/tun_writer.h"
#include "dataplane/io/udp_receiver.h"

namespace adit::shard {

// Everything one shard counts, since its start.
struct ShardCounters {
  engine::Counters engine;  // its drops hold those of the queue and the TUN too
  io::GsoCounters gso;
  io::TunReaderCounters tun_reader;
  io::TunWriterCounters tun_writer;
  io::UdpReceiverCounters udp_receiver;
  std::uint64_t turns = 0;
};

}  // namespace adit::shard
