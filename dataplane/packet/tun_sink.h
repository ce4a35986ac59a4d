#pragma once

#include <cstdint>

#include "common/bytes.h"

namespace adit::packet {

// Where the engine delivers plaintext IP packets. The implementation coalesces consecutive
// segments of a flow and writes super-packets; it reports what the kernel refused.
class TunSink {
 public:
  virtual ~TunSink() = default;

  // One IP packet, already trimmed to its own length, with valid checksums as far as the sender
  // made them. The bytes are borrowed until FlushDeliveries and may be changed in place.
  // flow_hash: equal flows have equal hashes.
  virtual void Deliver(MutableByteSpan packet, std::uint32_t flow_hash) = 0;

  // Writes what is held. Called at the end of every received batch: no timer, no added latency.
  virtual void FlushDeliveries() = 0;
};

}  // namespace adit::packet
