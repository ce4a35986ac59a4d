#pragma once

#include <functional>
#include <list>
#include <optional>
#include <string>
#include <vector>

#include "adit/admin/v1/common.pb.h"
#include "common/time.h"
#include "controlplane/model/view_delta.h"
#include "controlplane/rpc/dataplane_links.h"

namespace adit::hub {

// A node whose view a change touches.
struct Concern {
  std::string node;
  std::vector<model::ObjectId> changed;  // of its view
  bool was_connected = false;            // when it was stored
  bool takes_rights = false;             // that have not expired anyway
  std::optional<WallTime> rights_until;  // nullopt: no end
};

// A stored change whose author wants to know what the nodes say.
struct WaitingCall {
  std::uint64_t revision = 0;
  std::vector<Concern> concerns;
  Instant deadline;
  admin::v1::MutationResult* result = nullptr;  // the call's, until finish
  std::function<void()> finish;
};

// Calls that wait for acknowledgements. Nobody waits for an offline node, and nobody longer than it
// asked for: who has not answered by then is NO_ANSWER. Thread: the model thread.
class WaitingCalls {
 public:
  WaitingCalls(const model::State& state, const DataplaneLinks& links)
      : state_(state), links_(links) {}

  // Finishes at once when there is nothing to wait for.
  void Add(WaitingCall call, Instant now);
  // Finishes what has been answered or is due. Returns when to be called again.
  Instant Turn(Instant now);
  // With what is known.
  void FinishAll();
  [[nodiscard]] std::size_t size() const { return calls_.size(); }

 private:
  [[nodiscard]] bool IsAnswered(const WaitingCall& call) const;
  void Finish(WaitingCall& call) const;

  const model::State& state_;
  const DataplaneLinks& links_;
  std::list<WaitingCall> calls_;
};

}  // namespace adit::hub
