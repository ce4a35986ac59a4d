#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "dataplane/engine/config.h"
#include "dataplane/rpc/enforcer.h"
#include "dataplane/rpc/expiry_clock.h"
#include "dataplane/rpc/object.h"
#include "dataplane/rpc/object_set.h"
#include "dataplane/state/view.h"

namespace adit::rpc {

struct ProposedSnapshot {
  std::string epoch;
  std::uint64_t revision = 0;
  std::vector<state::StoredObject> objects;
  std::string digest;
};

struct ProposedDelta {
  std::string epoch;
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  std::vector<ObjectId> removals;
  std::vector<state::StoredObject> upserts;
  std::string digest;  // after
};

// Why an update is not applied. With rejections: the update without those objects may be.
struct Refusal {
  std::vector<Rejection> rejections;
  bool needs_snapshot = false;
  std::string text;
};

// What an accepted update comes to. Its views are borrowed from the DesiredState until Commit or
// Abandon.
struct PreparedChange {
  bool is_snapshot = false;
  state::ViewVersion version;  // without the times
  std::vector<state::KeyView> removals;
  std::vector<state::ObjectView> upserts;  // of a snapshot: all objects

  engine::Update update;
  // Takes away what the change replaces or removes, and gives nothing.
  engine::Update narrowing;
  bool narrows = false;            // narrowing is not empty
  std::optional<HostConfig> host;  // absent: as it was
};

// The view this data plane has applied, and the judgement of every update to it. An update is
// validated whole: either it is refused and nothing changes, or it is prepared, and then committed
// once it is durable and enforced, or abandoned. Sans-IO: it neither writes nor enforces.
//
//   auto outcome = desired.Prepare(std::move(delta), clock);
//   if (Refusal) answer it; else persist, enforce, desired.Commit()  (or desired.Abandon())
//
// A delta costs time in its own size only. Within an epoch the revision never goes down. Removals
// are never refused: those of what is not there are nothing.
//
// Thread: one at a time.
class DesiredState {
 public:
  using InterfaceCheck = std::function<std::optional<Problem>(const InterfaceObject&)>;
  using Outcome = std::variant<Refusal, PreparedChange>;
  static constexpr std::size_t kMaxRejections = 1000;

  // `limits` outlives it. `check` asks the host.
  DesiredState(const Limits& limits, InterfaceCheck check);

  // Grants get their deadlines from `clock`. Requires that nothing else is prepared.
  [[nodiscard]] Outcome Prepare(ProposedSnapshot&& snapshot, const ExpiryClock& clock);
  [[nodiscard]] Outcome Prepare(ProposedDelta&& delta, const ExpiryClock& clock);
  // From disk: what cannot be accepted any more (the flags may be others) is left out and named.
  [[nodiscard]] PreparedChange PrepareRestored(state::StoredView&& view, const ExpiryClock& clock,
                                               std::vector<Rejection>& left_out);
  void Commit();
  void Abandon();

  [[nodiscard]] bool has_state() const { return has_state_; }
  [[nodiscard]] const std::string& epoch() const { return epoch_; }
  [[nodiscard]] std::uint64_t revision() const { return revision_; }
  [[nodiscard]] const ObjectSet& objects() const { return objects_; }

  // All of it, as a snapshot would bring it.
  [[nodiscard]] PreparedChange Whole(const ExpiryClock& clock) const;
  // Every grant that ends, with its deadline by `clock`.
  [[nodiscard]] engine::Update ExpiringGrants(const ExpiryClock& clock) const;

 private:
  // One step of a delta, to be undone: what was taken out, or that it was put in.
  struct Step {
    ObjectId id;
    std::optional<HeldObject> taken;
  };
  struct Judged {
    ObjectId id;
    HeldObject object;
  };

  // Parses and sorts so that what refers comes after what it refers to.
  std::vector<Judged> ParseAll(std::vector<state::StoredObject>&& objects,
                               std::vector<Rejection>& rejections) const;
  // Judges beside the others and inserts into `objects`; `inserted` hears of each.
  void InsertAll(std::vector<Judged>&& judged, ObjectSet& objects,
                 std::vector<Rejection>& rejections,
                 const std::function<void(const ObjectId&)>& inserted) const;
  [[nodiscard]] std::optional<Refusal> CheckDelta(const ProposedDelta& delta) const;
  [[nodiscard]] static PreparedChange WholeOf(const ObjectSet& objects, const std::string& epoch,
                                              std::uint64_t revision, const ExpiryClock& clock);
  void UndoSteps();

  const Limits& limits_;
  const InterfaceCheck check_;

  bool has_state_ = false;
  std::string epoch_;
  std::uint64_t revision_ = 0;
  ObjectSet objects_;

  // Between Prepare and Commit or Abandon.
  std::string next_epoch_;
  std::uint64_t next_revision_ = 0;
  std::optional<ObjectSet> next_objects_;  // of a snapshot
  std::vector<Step> steps_;                // of a delta, already done to objects_
};

}  // namespace adit::rpc
