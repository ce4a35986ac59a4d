#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "common/bytes.h"
#include "common/ip_address.h"
#include "common/time.h"
#include "dataplane/packet/datagram_sink.h"

// The consumer's side of the GSO queue: what it hands to the one who makes the syscalls, and what
// it reports to the shard's loop.
namespace adit::io {

// IPv4 and IPv6 have a socket each, are suspended separately and are indexed by this.
inline constexpr std::size_t kFamilyCount = 2;
inline constexpr std::array<IpFamily, kFamilyCount> kFamilies = {IpFamily::kV4, IpFamily::kV6};
// Requires that the family is set.
[[nodiscard]] constexpr std::size_t IndexOf(IpFamily family) {
  return family == IpFamily::kV6 ? 1 : 0;
}

// The kernel refused this source; the engine is to forget it (Engine::ForgetSource).
struct ForgottenSource {
  // It was a control datagram, whose peer the queue does not know: any peer may be meant.
  static constexpr std::uint32_t kNoPeer = 0xFFFFFFFF;
  std::uint32_t peer = kNoPeer;
  packet::LocalSource source;
};

// `count` datagrams back to back, each segment_size long but the last, which may be shorter.
struct SendBatch {
  ByteSpan bytes;
  std::uint32_t segment_size = 0;
  std::uint32_t count = 0;
  const packet::DatagramPath& path;
  // Send all with one sendmsg and UDP_SEGMENT. Never set for a single datagram. Not set: one
  // sendmsg (or one entry of sendmmsg) per datagram, in order, up to the first that is refused.
  bool use_gso = false;

  // For counting and tests; the socket does not need them.
  bool is_control = false;
  std::uint32_t peer = ForgottenSource::kNoPeer;  // of data
  std::uint64_t epoch = 0;                        // of data; unique in the queue's life
};

// What became of a SendBatch. error is the errno that the first unsent datagram met, 0 when all
// were sent. EINTR never gets here: the sender repeats the call.
struct SendResult {
  std::uint32_t datagrams_sent = 0;
  int error = 0;
};

// Makes the syscalls. It only reports errors; what they mean is decided by the queue.
class BatchSender {
 public:
  virtual ~BatchSender() = default;
  virtual SendResult Send(const SendBatch& batch) = 0;

  // Called after ENOBUFS before the same batch is sent again: spins, later yields. `attempt` counts
  // from 0 in each drain. False: 1 ms has passed since attempt 0; stop trying. See
  // gso_buffer_pause.h for an implementation.
  virtual bool PauseForBuffers(std::uint32_t attempt) = 0;
};

// What the queue does about an errno. gso_refusals.h says which leads to which.
enum class Remedy : std::uint8_t {
  kAwaitWritable,            // the family is suspended until its socket is writable
  kAwaitBuffers,             // spin, yield, then the family is suspended for 1 ms
  kSendAgain,                // the error was left over from an earlier datagram
  kWithoutSource,            // the local address is gone: the kernel chooses one
  kWithoutGsoToDestination,  // one datagram at a time to this destination, for a while
  kWithoutGsoOnSocket,       // one datagram at a time on this family's socket
  kDrop,                     // what is left of the batch is given up
};
inline constexpr std::size_t kRemedyCount = 7;

// The first time that an errno led to a remedy (since the start or the last route event): to be
// logged. Every time is counted.
struct RefusalEvent {
  int error = 0;
  Remedy remedy = Remedy::kDrop;
  Endpoint destination;
};

// A few values without allocation; what does not fit is left out.
template <typename T, std::size_t N>
class BoundedList {
 public:
  void Add(const T& value) {
    if (size_ < N) {
      values_[size_++] = value;
    }
  }
  void Clear() { size_ = 0; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] const T& operator[](std::size_t i) const { return values_[i]; }
  [[nodiscard]] const T* begin() const { return values_.data(); }
  [[nodiscard]] const T* end() const { return values_.data() + size_; }

 private:
  std::size_t size_ = 0;
  std::array<T, N> values_{};
};

// What one drain did and what the loop must wait for.
struct DrainReport {
  std::uint32_t sends = 0;              // calls of BatchSender::Send
  std::uint32_t data_datagrams = 0;     // sent
  std::uint32_t control_datagrams = 0;  // sent
  // By family: ask the poller for writability and call HandleWritable when it comes.
  std::array<bool, kFamilyCount> await_writable{};
  // Drain again at this instant (no buffers: the socket polls writable all the time).
  Instant retry_at = Instant::Max();

  BoundedList<RefusalEvent, 8> refusals;
  // Bounded: a source left out is refused, and reported, again when it is next used.
  BoundedList<ForgottenSource, 8> forgotten_sources;

  [[nodiscard]] bool is_suspended() const {
    return await_writable[0] || await_writable[1] || retry_at != Instant::Max();
  }
};

// Since the start. Written by the shard's thread.
struct GsoCounters {
  static constexpr std::size_t kErrnoCount = 134;  // EHWPOISON, Linux's last, is 133

  std::uint64_t sends = 0;      // calls of BatchSender::Send, refused ones included
  std::uint64_t gso_sends = 0;  // of those: with UDP_SEGMENT, accepted
  std::uint64_t batches = 0;    // opened
  std::uint64_t epochs = 0;     // started because order demanded it, or an endpoint changed
  std::uint64_t data_datagrams = 0;
  std::uint64_t control_datagrams = 0;
  std::uint64_t datagrams_without_gso = 0;  // sent singly though they were a train
  std::array<std::uint64_t, kFamilyCount> suspends{};
  std::uint64_t control_evicted = 0;    // drop reason kControlLaneFull, beyond what callers count
  std::uint64_t underlay_stuck = 0;     // datagrams: drop reason kUnderlayStuck
  std::uint64_t refused_datagrams = 0;  // drop reason kSendRefused: the sum of the following
  std::array<std::uint64_t, kErrnoCount> refused_by_errno{};  // datagrams; [0]: unknown errnos
  std::array<std::uint64_t, kRemedyCount> remedies{};         // times each was applied
};

}  // namespace adit::io
