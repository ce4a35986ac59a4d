#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "dataplane/io/gso_send.h"
#include "dataplane/io/syscalls.h"
#include "dataplane/packet/super_packet.h"

namespace adit::io {

// What one read of the TUN gave.
struct TunRead {
  enum class Outcome : std::uint8_t {
    kPacket,   // `packet` is set
    kEmpty,    // nothing waits: poll
    kDropped,  // a header that makes no sense, counted: read on
    kFailed,   // `error`: EBADFD means that the interface was deleted
  };
  Outcome outcome = Outcome::kEmpty;
  packet::SuperPacket packet;  // borrowed from the reader until its next Read
  int error = 0;
};

struct TunReaderCounters {
  std::uint64_t reads = 0;  // that gave a packet
  std::uint64_t bytes = 0;
  std::uint64_t bad_virtio_headers = 0;  // drop reason kBadVirtioHeader
  std::uint64_t failures = 0;
};

// Reads super-packets from a TUN descriptor into its one buffer, which the constructor allocates.
// It does not look into the packets: packet::Splitter does, and takes nothing on trust.
//
//   while (queue.HasRoomForSuperPacket()) {
//     const TunRead read = reader.Read();
//     if (read.outcome == TunRead::Outcome::kPacket) engine.HandleTunPacket(read.packet, now);
//     else if (read.outcome != TunRead::Outcome::kDropped) break;
//   }
//
// Thread: the shard's only.
class TunReader {
 public:
  // Borrows both.
  TunReader(Syscalls& syscalls, int tun_fd);
  ~TunReader() = default;
  TunReader(const TunReader&) = delete;
  TunReader& operator=(const TunReader&) = delete;

  [[nodiscard]] TunRead Read();

  // The buffer that the last packet is in leaves in exchange for another of MakeBuffer: the packet
  // is its new owner's.
  using Buffer = std::unique_ptr<std::uint8_t[]>;
  void ExchangeBuffer(Buffer& other) { std::swap(buffer_, other); }
  [[nodiscard]] static Buffer MakeBuffer();
  [[nodiscard]] const TunReaderCounters& counters() const { return counters_; }

 private:
  Syscalls& syscalls_;
  const int fd_;
  Buffer buffer_;
  TunReaderCounters counters_;
};

}  // namespace adit::io
