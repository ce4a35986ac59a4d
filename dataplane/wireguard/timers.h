#pragma once

#include <algorithm>

#include "common/time.h"
#include "dataplane/wireguard/constants.h"

namespace adit::wireguard {

// The rules of a peer's timers, before the first line of code (paper 6; the kernel's behaviour):
//
//  - After data is sent, something authenticated must come back within 15 s and some jitter;
//    otherwise a new handshake begins. Anything authenticated that arrives stops that clock.
//  - After data is received, something must be sent within 10 s; otherwise a keepalive is sent, so
//    that the other side's clock stops. Anything authenticated that is sent stops this one.
//    Keepalives themselves do not start it: two idle peers fall silent. If more data arrives while
//    it runs, it is started once more after it fired.
//  - An initiation that is not answered within 5 s and some jitter is made anew and sent again, up
//    to 19 times (90 s and the jitter); then what waits for the session is given up. A packet to
//    send after that begins anew.
//  - 540 s after the last session began all keys are erased.
//  - With a persistent keepalive of n seconds: n seconds after the last authenticated packet in
//    either direction, a keepalive is sent.
//
// All instants are of the boot clock. Arming is a store; nothing here sends.
struct Timers {
  static constexpr Instant kOff = Instant::Max();

  Instant retransmit = kOff;
  Instant passive_keepalive = kOff;
  Instant new_handshake = kOff;
  Instant zero_keys = kOff;
  Instant persistent_keepalive = kOff;
  bool needs_another_keepalive = false;

  [[nodiscard]] Instant Earliest() const {
    return std::min(
        {retransmit, passive_keepalive, new_handshake, zero_keys, persistent_keepalive});
  }

  void DataSent(Instant now, Duration jitter) {
    if (new_handshake == kOff) {
      new_handshake = now + kNewHandshakeTimeout + jitter;
    }
  }
  void DataReceived(Instant now) {
    if (passive_keepalive == kOff) {
      passive_keepalive = now + kKeepaliveTimeout;
    } else {
      needs_another_keepalive = true;
    }
  }
  void AuthenticatedSent() {
    passive_keepalive = kOff;
    needs_another_keepalive = false;
  }
  // The passive keepalive was sent: data came while its clock ran, so it runs once more.
  void KeepaliveSent(Instant now) {
    passive_keepalive = needs_another_keepalive ? now + kKeepaliveTimeout : kOff;
    needs_another_keepalive = false;
  }
  void AuthenticatedReceived() { new_handshake = kOff; }
  void AuthenticatedEitherWay(Instant now, Duration persistent_interval) {
    if (persistent_interval != Duration(0)) {
      persistent_keepalive = now + persistent_interval;
    }
  }
  void Stop() { *this = Timers(); }
};

}  // namespace adit::wireguard
