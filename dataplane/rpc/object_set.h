#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include "common/ip_address.h"
#include "common/key.h"
#include "common/state_digest.h"
#include "common/time.h"
#include "dataplane/rpc/enforcer.h"
#include "dataplane/rpc/object.h"
#include "dataplane/rpc/prefix_owners.h"
#include "dataplane/state/view.h"

namespace adit::rpc {

// An object's bytes as they were sent. They may hold a preshared key: wiped when destroyed.
class ObjectBody {
 public:
  ObjectBody() = default;
  explicit ObjectBody(std::string bytes) : bytes_(std::move(bytes)) {}
  ObjectBody(ObjectBody&& other) noexcept { bytes_.swap(other.bytes_); }
  ObjectBody& operator=(ObjectBody&& other) noexcept {
    bytes_.swap(other.bytes_);
    return *this;
  }
  ~ObjectBody() { crypto::Wipe({reinterpret_cast<std::uint8_t*>(bytes_.data()), bytes_.size()}); }
  [[nodiscard]] std::string_view bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

struct HeldObject {
  ObjectBody body;
  ParsedObject parsed;
};

// The objects of a view, and what has to be known to judge one beside the others in time that does
// not grow with their number. A removal is never judged: a grant may outlive its peer or resource
// and permits nothing then.
//
// Thread: one at a time.
class ObjectSet {
 public:
  // `limits` outlives the set.
  explicit ObjectSet(const Limits& limits) : limits_(&limits) {}

  // May an object that is not there be inserted?
  [[nodiscard]] std::optional<Rejection> Judge(const ObjectId& id, const HeldObject& object) const;
  // Requires that Judge accepts it, or that it was in exactly this set before.
  void Insert(ObjectId id, HeldObject object);
  // Takes it out; nullopt when it is not there.
  [[nodiscard]] std::optional<HeldObject> Take(const ObjectId& id);

  [[nodiscard]] const HeldObject* Find(const ObjectId& id) const;
  [[nodiscard]] std::size_t size() const { return objects_.size(); }
  [[nodiscard]] const StateDigest& digest() const { return digest_; }
  [[nodiscard]] const InterfaceObject* interface() const;
  // Of all resources, sorted. What one of them wants translated is.
  [[nodiscard]] std::vector<ServedPrefix> Served() const;
  // Resources that grants of the peer name, whether or not they are there.
  [[nodiscard]] const absl::flat_hash_set<std::string>* GrantsOf(const PublicKey& peer) const;
  // Grants that expire, in order: the end and the object's key.
  [[nodiscard]] const std::set<std::pair<WallTime, std::string>>& expiring() const {
    return expiring_;
  }
  // Borrowed until the set changes.
  [[nodiscard]] state::ObjectView ViewOf(const ObjectId& id) const;

  // Calls visit(const ObjectId&, const HeldObject&), in no particular order.
  template <typename Visit>
  void ForEach(Visit&& visit) const {
    for (const auto& [id, object] : objects_) {
      visit(id, object);
    }
  }

 private:
  // How many resources hold a prefix, and how many of them want it translated.
  struct Claims {
    std::uint32_t resources = 0;
    std::uint32_t with_nat = 0;
  };

  [[nodiscard]] std::optional<Problem> JudgeLimits(const ObjectId& id,
                                                   const HeldObject& object) const;
  [[nodiscard]] std::optional<Rejection> JudgePeer(const ObjectId& id,
                                                   const PeerObject& peer) const;
  [[nodiscard]] std::optional<Rejection> JudgeInterface(const ObjectId& id,
                                                        const InterfaceObject& interface) const;
  [[nodiscard]] std::optional<Rejection> JudgeGrant(const ObjectId& id,
                                                    const GrantObject& grant) const;

  const Limits* limits_;
  absl::flat_hash_map<ObjectId, HeldObject> objects_;
  StateDigest digest_;
  std::size_t bytes_ = 0;                        // of keys and bodies
  std::map<std::uint32_t, std::size_t> counts_;  // by kind
  PrefixOwners tunnel_prefixes_;
  std::map<IpPrefix, Claims> served_;
  absl::flat_hash_map<PublicKey, absl::flat_hash_set<std::string>> grants_;
  std::set<std::pair<WallTime, std::string>> expiring_;
};

[[nodiscard]] ObjectId PeerId(const PublicKey& key);

}  // namespace adit::rpc
