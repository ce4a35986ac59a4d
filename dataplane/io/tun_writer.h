#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "common/bytes.h"
#include "dataplane/io/gso_send.h"
#include "dataplane/io/syscalls.h"
#include "dataplane/io/tun_device.h"
#include "dataplane/io/tun_train.h"
#include "dataplane/packet/tun_sink.h"

namespace adit::io {

struct TunWriterCounters {
  std::uint64_t packets = 0;         // delivered to us
  std::uint64_t writes = 0;          // accepted by the kernel
  std::uint64_t super_packets = 0;   // of those: trains
  std::uint64_t packets_merged = 0;  // that left in them
  std::uint64_t packets_lost = 0;    // drop reason kTunWriteFailed: the sum of the following
  std::array<std::uint64_t, GsoCounters::kErrnoCount> lost_by_errno{};  // [0]: unknown errnos
  // The kernel took the packets of a train but not the train: merging that protocol ended.
  std::uint64_t tcp_trains_refused = 0;
  std::uint64_t udp_trains_refused = 0;
};

// The TunSink that merges consecutive packets of a flow: they leave in one write, behind one header
// (tun_train.h has the rules). What cannot be merged leaves as it came. A flow's packets leave in
// the order of delivery; several flows in one batch gather side by side, each in a buffer of its
// own. Nothing is held beyond FlushDeliveries, so no time is added.
//
// A packet that the kernel refuses is lost and counted by errno: TUN has no queue toward the host
// that could be waited for (EIO: the link is down; EINVAL: not an IP packet; ENOBUFS, ENOMEM,
// EAGAIN: no memory). A train refused with EINVAL leaves packet by packet instead.
//
// The constructor allocates everything. Thread: the shard's only.
class TunWriter final : public packet::TunSink {
 public:
  // Borrows both. merge: whose trains the kernel takes, TunDevice::offloads().
  TunWriter(Syscalls& syscalls, int tun_fd, TunOffloads merge);
  ~TunWriter() override = default;
  TunWriter(const TunWriter&) = delete;
  TunWriter& operator=(const TunWriter&) = delete;

  void Deliver(MutableByteSpan packet, std::uint32_t flow_hash) override;
  void FlushDeliveries() override;

  // What is still merged, after refusals.
  [[nodiscard]] const TunOffloads& merges() const { return merge_; }
  [[nodiscard]] const TunWriterCounters& counters() const { return counters_; }

  // Flows that gather at the same time; one more sends the oldest train on its way.
  static constexpr std::size_t kMaxOpenTrains = 16;

 private:
  using Slot = std::uint8_t;  // index of a train
  static constexpr std::size_t kNotOpen = kMaxOpenTrains;

  [[nodiscard]] std::size_t FindOpen(std::uint32_t flow_hash) const;
  TunTrain& TrainAt(std::size_t position) { return (*trains_)[order_[position]]; }
  void Close(std::size_t position);
  void WriteTrain(TunTrain& train);
  void WritePiecemeal(TunTrain& train);
  bool WritePacket(ByteSpan packet);
  void NoteLost(int error, std::uint64_t packets);

  Syscalls& syscalls_;
  const int fd_;
  TunOffloads merge_;
  std::unique_ptr<std::array<TunTrain, kMaxOpenTrains>> trains_;
  // The open trains in order of opening, then the free ones, the last used first (its buffer is
  // still in the cache).
  std::array<Slot, kMaxOpenTrains> order_;
  std::array<std::uint32_t, kMaxOpenTrains> hashes_{};  // of the open ones, by position
  std::size_t open_count_ = 0;
  std::unique_ptr<std::uint8_t[]> cut_;  // one packet of a refused train
  TunWriterCounters counters_;
};

}  // namespace adit::io
