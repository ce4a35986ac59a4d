#include "dataplane/io/tun_writer.h"

#include <algorithm>
#include <cerrno>
#include <numeric>
#include <variant>

#include "dataplane/io/gso_refusals.h"
#include "dataplane/packet/split.h"

namespace adit::io {
namespace {

// Of a packet that is no train and whose checksums are what they are.
constexpr std::array<std::uint8_t, kVirtioHeaderSize> kNoOffload{};

}  // namespace

TunWriter::TunWriter(Syscalls& syscalls, int tun_fd, TunOffloads merge)
    : syscalls_(syscalls),
      fd_(tun_fd),
      merge_(merge),
      trains_(std::make_unique<std::array<TunTrain, kMaxOpenTrains>>()),
      cut_(std::make_unique_for_overwrite<std::uint8_t[]>(packet::kMaxSuperPacketSize)) {
  std::iota(order_.begin(), order_.end(), Slot{0});
}

void TunWriter::Deliver(MutableByteSpan packet, std::uint32_t flow_hash) {
  ++counters_.packets;
  const std::optional<TunSegment> segment = TunSegment::Of(packet);
  const bool is_mergeable = segment && (segment->is_tcp ? merge_.tcp : merge_.udp);
  const std::size_t position = FindOpen(flow_hash);
  if (position != kNotOpen) {
    TunTrain& train = TrainAt(position);
    const bool has_joined = is_mergeable && train.Join(*segment, packet);
    if (!has_joined || train.is_complete()) {
      Close(position);
    }
    if (has_joined) {
      return;
    }
  }
  if (!is_mergeable || segment->ends_train) {
    WritePacket(packet);
    return;
  }
  if (open_count_ == kMaxOpenTrains) {
    Close(0);
  }
  hashes_[open_count_] = flow_hash;
  TrainAt(open_count_).Start(*segment, packet);
  ++open_count_;
}

void TunWriter::FlushDeliveries() {
  while (open_count_ > 0) {
    Close(0);
  }
}

std::size_t TunWriter::FindOpen(std::uint32_t flow_hash) const {
  for (std::size_t i = 0; i < open_count_; ++i) {
    if (hashes_[i] == flow_hash) {
      return i;
    }
  }
  return kNotOpen;
}

void TunWriter::Close(std::size_t position) {
  WriteTrain(TrainAt(position));
  const auto first = static_cast<std::ptrdiff_t>(position);
  const auto end = static_cast<std::ptrdiff_t>(open_count_);
  std::rotate(order_.begin() + first, order_.begin() + first + 1, order_.begin() + end);
  std::rotate(hashes_.begin() + first, hashes_.begin() + first + 1, hashes_.begin() + end);
  --open_count_;
}

void TunWriter::WriteTrain(TunTrain& train) {
  if (train.count() == 1) {
    WritePacket(train.packet());
    return;
  }
  const ByteSpan bytes = train.Finish();
  const std::ptrdiff_t result =
      Uninterrupted([&] { return syscalls_.Write(fd_, bytes.data(), bytes.size()); });
  if (result >= 0) {
    ++counters_.writes;
    ++counters_.super_packets;
    counters_.packets_merged += train.count();
  } else if (result == -EINVAL) {
    WritePiecemeal(train);
  } else {
    NoteLost(static_cast<int>(-result), train.count());
  }
}

// Some kernels refuse trains whose packets they take. If so, there is no use in making more.
void TunWriter::WritePiecemeal(TunTrain& train) {
  const auto made = packet::Splitter::Make(train.super_packet());
  const auto& splitter = std::get<packet::Splitter>(made);
  bool is_any_taken = false;
  for (std::size_t i = 0; i < splitter.segment_count(); ++i) {
    const MutableByteSpan segment(cut_.get(), splitter.segment_size(i));
    splitter.Write(i, segment);
    is_any_taken |= WritePacket(segment);
  }
  if (!is_any_taken) {
    return;
  }
  ++(train.is_tcp() ? counters_.tcp_trains_refused : counters_.udp_trains_refused);
  (train.is_tcp() ? merge_.tcp : merge_.udp) = false;
}

bool TunWriter::WritePacket(ByteSpan packet) {
  // writev takes what it only reads as if it wrote it.
  const std::array<iovec, 2> parts = {
      iovec{const_cast<std::uint8_t*>(kNoOffload.data()), kNoOffload.size()},
      iovec{const_cast<std::uint8_t*>(packet.data()), packet.size()}};
  const std::ptrdiff_t result = Uninterrupted(
      [&] { return syscalls_.WriteV(fd_, parts.data(), static_cast<int>(parts.size())); });
  if (result < 0) {
    NoteLost(static_cast<int>(-result), 1);
    return false;
  }
  ++counters_.writes;
  return true;
}

void TunWriter::NoteLost(int error, std::uint64_t packets) {
  counters_.packets_lost += packets;
  counters_.lost_by_errno[ErrnoIndex(error)] += packets;
}

}  // namespace adit::io
