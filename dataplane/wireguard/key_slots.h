#pragma once

#include "dataplane/wireguard/receiver_index.h"
#include "dataplane/wireguard/session_pool.h"

namespace adit::wireguard {

// The three sessions of a peer (rule R4): the one before, for packets still on their way; the
// current one, which sends; and, at a responder, the next one, which must not send before the
// initiator has shown that it has the keys.
//
// Owns its sessions: a session that leaves a slot is erased and its receiver index freed.
class KeySlots {
 public:
  KeySlots(SessionPool& pool, ReceiverIndexTable& indices) : pool_(pool), indices_(indices) {}
  ~KeySlots() { Clear(); }
  KeySlots(const KeySlots&) = delete;
  KeySlots& operator=(const KeySlots&) = delete;

  // We initiated and have the response: the session is current at once.
  void AddAsInitiator(Session* session) {
    Drop(previous_);
    if (next_ != nullptr) {
      previous_ = std::exchange(next_, nullptr);
      Drop(current_);
    } else {
      previous_ = std::exchange(current_, nullptr);
    }
    current_ = session;
  }
  // We responded: the session waits for the initiator's first packet.
  void AddAsResponder(Session* session) {
    Drop(next_);
    Drop(previous_);
    next_ = session;
  }
  // A packet was authenticated under it. True when that made the next session current.
  bool Confirm(const Session* session) {
    if (session != next_ || next_ == nullptr) {
      return false;
    }
    Drop(previous_);
    previous_ = std::exchange(current_, nullptr);
    current_ = std::exchange(next_, nullptr);
    return true;
  }
  // No session may send any more; what is on its way can still be received.
  void StopSending() {
    for (Session* session : {previous_, current_, next_}) {
      if (session != nullptr) {
        session->may_send = false;
      }
    }
  }
  void Clear() {
    Drop(previous_);
    Drop(current_);
    Drop(next_);
  }

  [[nodiscard]] Session* current() const { return current_; }
  [[nodiscard]] Session* previous() const { return previous_; }
  [[nodiscard]] Session* next() const { return next_; }

 private:
  void Drop(Session*& slot) {
    if (slot != nullptr) {
      indices_.Remove(slot->local_index);
      pool_.Give(slot);
      slot = nullptr;
    }
  }

  SessionPool& pool_;
  ReceiverIndexTable& indices_;
  Session* previous_ = nullptr;
  Session* current_ = nullptr;
  Session* next_ = nullptr;
};

}  // namespace adit::wireguard
