#pragma once

#include <string>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "dataplane/io/tun_writer.h"
#include "dataplane/io/virtio_header.h"
#include "dataplane/packet/ip_packet.h"
#include "dataplane/packet/split.h"
#include "tests/support/fake_syscalls.h"
#include "tests/support/packet_builder.h"

// What a TunWriter wrote, read as the kernel would.
namespace adit::io {

using testing::Bytes;
using testing::FakeSyscalls;
using testing::PacketSpec;

inline std::uint32_t HashOf(ByteSpan packet) {
  const auto parsed = packet::ParseIpPacket(packet);
  const auto* ip = std::get_if<packet::IpPacket>(&parsed);
  return ip != nullptr ? packet::FlowHash(*ip) : 0;
}

// One write: the super-packet, and the packets it is cut into.
struct TunWrite {
  packet::OffloadHeader offload;
  std::vector<Bytes> packets;
};

inline TunWrite ReadWrite(Bytes written) {
  TunWrite write;
  EXPECT_GT(written.size(), kVirtioHeaderSize);
  const auto offload = ReadVirtioHeader(
      std::span<const std::uint8_t, kVirtioHeaderSize>(written.data(), kVirtioHeaderSize));
  EXPECT_TRUE(offload.has_value());
  write.offload = *offload;
  if (write.offload.gso_type == packet::GsoType::kNone && !write.offload.needs_checksum) {
    write.packets.emplace_back(written.begin() + kVirtioHeaderSize, written.end());
    return write;
  }
  const auto made =
      packet::Splitter::Make({MutableByteSpan(written).subspan(kVirtioHeaderSize), write.offload});
  const auto* splitter = std::get_if<packet::Splitter>(&made);
  EXPECT_NE(splitter, nullptr);
  if (splitter == nullptr) return write;
  for (std::size_t i = 0; i < splitter->segment_count(); ++i) {
    Bytes packet(splitter->segment_size(i));
    splitter->Write(i, packet);
    write.packets.push_back(std::move(packet));
  }
  return write;
}

class TunWriterTest : public ::testing::Test {
 protected:
  void Deliver(const Bytes& packet) { Deliver(packet, HashOf(packet)); }
  void Deliver(const Bytes& packet, std::uint32_t flow_hash) {
    kept_.push_back(std::make_unique<Bytes>(packet));
    writer_.Deliver(*kept_.back(), flow_hash);
  }
  void Flush() {
    writer_.FlushDeliveries();
    // Nothing is borrowed any more.
    for (const auto& bytes : kept_) std::fill(bytes->begin(), bytes->end(), std::uint8_t{0xdd});
    kept_.clear();
  }
  // The writes so far, and forgets them.
  std::vector<TunWrite> TakeWrites() {
    std::vector<TunWrite> writes;
    for (const Bytes& written : kernel_.written) writes.push_back(ReadWrite(written));
    kernel_.written.clear();
    return writes;
  }
  // How many packets each write carried.
  std::vector<std::size_t> TakeCounts() {
    std::vector<std::size_t> counts;
    for (const TunWrite& write : TakeWrites()) counts.push_back(write.packets.size());
    return counts;
  }

  FakeSyscalls kernel_;
  TunWriter writer_{kernel_, 3, {.tcp = true, .udp = true}};
  std::vector<std::unique_ptr<Bytes>> kept_;
};

// A TCP or UDP flow that counts its sequence numbers and identifications.
class Flow {
 public:
  explicit Flow(PacketSpec spec) : spec_(std::move(spec)) {}
  [[nodiscard]] static Flow Tcp(std::uint16_t port = 40000) {
    return Flow({.protocol = 6, .source_port = port});
  }
  [[nodiscard]] static Flow Udp(std::uint16_t port = 40000) {
    return Flow({.protocol = 17, .source_port = port});
  }

  Bytes Next(std::size_t size, std::uint8_t flags = 0x10) {
    spec_.payload.resize(size);
    for (std::uint8_t& byte : spec_.payload) byte = static_cast<std::uint8_t>(fill_++ * 31 >> 3);
    spec_.tcp_flags = flags;
    Bytes packet = testing::BuildPacket(spec_);
    spec_.tcp_sequence += static_cast<std::uint32_t>(size);
    spec_.ip_id = static_cast<std::uint16_t>(spec_.ip_id + id_step);
    return packet;
  }
  PacketSpec& spec() { return spec_; }

  std::uint16_t id_step = 1;

 private:
  PacketSpec spec_;
  std::uint32_t fill_ = 0;
};

}  // namespace adit::io
