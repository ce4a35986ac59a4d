#include "controlplane/rpc/waiting_calls.h"

#include <algorithm>
#include <utility>

namespace adit::hub {

using sync::Outcome;

namespace {

// What it may do until it has applied what was removed.
void FillAtRisk(const Concern& concern, admin::v1::NodeOutcome* out) {
  if (!concern.takes_rights) {
    return;
  }
  out->set_may_still_forward(true);
  if (concern.rights_until) {
    out->set_may_forward_until_unix_ns(concern.rights_until->since_epoch().count());
  }
}

}  // namespace

void WaitingCalls::Add(WaitingCall call, Instant now) {
  if (now >= call.deadline || IsAnswered(call)) {
    Finish(call);
    return;
  }
  calls_.push_back(std::move(call));
}

Instant WaitingCalls::Turn(Instant now) {
  Instant next = Instant::Max();
  for (auto call = calls_.begin(); call != calls_.end();) {
    if (now >= call->deadline || IsAnswered(*call)) {
      Finish(*call);
      call = calls_.erase(call);
      continue;
    }
    next = std::min(next, call->deadline);
    ++call;
  }
  return next;
}

void WaitingCalls::FinishAll() {
  for (WaitingCall& call : std::exchange(calls_, {})) {
    Finish(call);
  }
}

bool WaitingCalls::IsAnswered(const WaitingCall& call) const {
  return std::all_of(call.concerns.begin(), call.concerns.end(), [&](const Concern& concern) {
    const NodeLink* link = links_.Find(concern.node);
    return link == nullptr ||
           link->sync.OutcomeFor(call.revision, concern.changed).state != Outcome::State::kPending;
  });
}

void WaitingCalls::Finish(WaitingCall& call) const {
  for (const Concern& concern : call.concerns) {
    const NodeLink* link = links_.Find(concern.node);
    if (link == nullptr) {
      continue;  // deleted since
    }
    admin::v1::NodeOutcome* out = call.result->add_nodes();
    out->set_node(concern.node);
    const Outcome outcome = link->sync.OutcomeFor(call.revision, concern.changed);
    switch (outcome.state) {
      case Outcome::State::kAcked:
        out->set_state(admin::v1::NodeOutcome::ACKED);
        break;
      case Outcome::State::kPending:
        out->set_state(admin::v1::NodeOutcome::NO_ANSWER);
        break;
      case Outcome::State::kRejected:
        out->set_state(admin::v1::NodeOutcome::REJECTED);
        for (const sync::Rejection& rejection : outcome.rejections) {
          FillRejection(state_, rejection, out->add_rejections());
        }
        break;
      case Outcome::State::kRefused:
        out->set_state(admin::v1::NodeOutcome::REJECTED);
        FillRefusal(link->sync, out->add_rejections());
        FillAtRisk(concern, out);
        break;
      case Outcome::State::kOffline:
        if (concern.was_connected && !concern.takes_rights) {
          out->set_state(admin::v1::NodeOutcome::NO_ANSWER);  // it went away without one
          break;
        }
        out->set_state(admin::v1::NodeOutcome::OFFLINE);
        out->set_offline_since_unix_ns(link->sync.since().since_epoch().count());
        FillAtRisk(concern, out);
        break;
    }
  }
  call.finish();
}

}  // namespace adit::hub
