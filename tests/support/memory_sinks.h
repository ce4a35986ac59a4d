#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "dataplane/packet/datagram_sink.h"
#include "dataplane/packet/tun_sink.h"
#include "tests/support/packet_builder.h"

// The engine's outputs in memory: what would have gone to UDP and to TUN.
namespace adit::testing {

struct SentDatagram {
  Bytes bytes;
  packet::DatagramPath path;
  bool is_control = false;
};

// A datagram sink without limits, in the order of sending. Refuses data while `is_full`.
class MemoryDatagrams final : public packet::DatagramSink {
 public:
  packet::Reservation ReserveTrain(const packet::TrainRequest& request,
                                   const packet::DatagramPath& path,
                                   packet::SendClass send_class) override {
    if (is_full || (is_reserve_only && send_class == packet::SendClass::kSlowPath)) {
      return {};
    }
    const std::uint32_t count = std::min(request.count, max_train);
    const bool has_last = count == request.count;
    buffer_.assign(
        (count - 1) * request.segment_size + (has_last ? request.last_size : request.segment_size),
        0xee);
    path_ = path;
    segment_size_ = request.segment_size;
    return {buffer_, count};
  }
  void Commit() override {
    for (std::size_t at = 0; at < buffer_.size(); at += segment_size_) {
      const std::size_t size = std::min<std::size_t>(segment_size_, buffer_.size() - at);
      const auto begin = buffer_.begin() + static_cast<std::ptrdiff_t>(at);
      sent.push_back({Bytes(begin, begin + static_cast<std::ptrdiff_t>(size)), path_, false});
    }
    ++trains;
  }
  void Rollback() override {}
  bool SendControl(ByteSpan datagram, const packet::DatagramPath& path,
                   packet::ControlKind) override {
    sent.push_back({Bytes(datagram.begin(), datagram.end()), path, true});
    return true;
  }
  void StartEpoch(std::uint32_t) override { ++epochs; }
  std::uint32_t Discard(std::uint32_t peer) override {
    discarded.push_back(peer);
    return 0;
  }

  std::deque<SentDatagram> sent;
  std::size_t trains = 0;
  std::size_t epochs = 0;
  std::vector<std::uint32_t> discarded;  // peers, in the order of the calls
  std::uint32_t max_train = 64;
  bool is_full = false;
  bool is_reserve_only = false;

 private:
  Bytes buffer_;
  packet::DatagramPath path_;
  std::size_t segment_size_ = 1;
};

class MemoryTun final : public packet::TunSink {
 public:
  void Deliver(MutableByteSpan packet, std::uint32_t) override {
    delivered.emplace_back(packet.begin(), packet.end());
  }
  void FlushDeliveries() override {}
  std::deque<Bytes> delivered;
};

}  // namespace adit::testing
