#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "common/state_digest.h"
#include "controlplane/sync/messages.h"

namespace adit::sync {

using Objects = std::map<ObjectId, std::string>;
using Answer = std::variant<Ack, Nack>;

inline StateDigest DigestOf(const Objects& objects) {
  StateDigest digest;
  const auto bytes = [](const std::string& text) {
    return ByteSpan(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  };
  for (const auto& [id, body] : objects) {
    digest.Add(static_cast<std::uint32_t>(id.kind), bytes(id.key), bytes(body));
  }
  return digest;
}

// The slow, obvious data plane: what it has applied is `epoch`, `revision` and `objects`, and
// outlives a restart. It refuses, as the real one does:
// - a body with '!' (malformed);
// - a peer whose first body character, its address, another peer holds (cured by that peer);
// - a grant without its peer or resource (cured by them);
// - what does not follow, or has another digest (needs a snapshot); everything when is_full.
class ModelDataPlane {
 public:
  std::string epoch;
  std::uint64_t revision = 0;
  Objects objects;
  bool is_full = false;

  [[nodiscard]] Hello MakeHello() const { return {epoch, revision, DigestOf(objects).bytes()}; }

  // A new stream: what was half received is gone.
  void Connect() { chunks_.clear(); }

  // nullopt: a chunk that is not the last.
  std::optional<Answer> Receive(const SnapshotChunk& chunk) {
    if (chunk.chunk == 0) {
      chunks_.clear();
    }
    const bool follows =
        chunk.chunk == chunks_.size() && (chunks_.empty() || chunks_.front().nonce == chunk.nonce);
    if (!follows) {
      chunks_.clear();
      return NeedSnapshot(chunk.nonce, chunk.revision);
    }
    chunks_.push_back(chunk);
    if (chunks_.size() < chunk.chunk_count) {
      return std::nullopt;
    }
    const std::vector<SnapshotChunk> all = std::exchange(chunks_, {});
    if (chunk.epoch == epoch && chunk.revision < revision) {
      return Nack{chunk.nonce, chunk.revision, {}, false, "older than what is applied"};
    }
    std::vector<Object> upserts;
    for (const SnapshotChunk& each : all) {
      upserts.insert(upserts.end(), each.objects.begin(), each.objects.end());
    }
    return Apply(chunk.nonce, chunk.epoch, chunk.revision, {}, {}, upserts, chunk.digest);
  }

  std::optional<Answer> Receive(const Delta& delta) {
    if (delta.epoch != epoch || delta.from != revision || delta.to < delta.from) {
      return NeedSnapshot(delta.nonce, delta.to);
    }
    return Apply(delta.nonce, delta.epoch, delta.to, objects, delta.removals, delta.upserts,
                 delta.digest);
  }

  // Why the object cannot join `others`.
  static std::optional<Rejection> Judge(const Objects& others, const ObjectId& id,
                                        const std::string& body) {
    if (body.find('!') != std::string::npos) {
      return Rejection{id, "", "MALFORMED", "has a '!'", {}};
    }
    if (id.kind == model::ViewKind::kPeer) {
      for (const auto& [other, other_body] : others) {
        if (other.kind == model::ViewKind::kPeer && other != id && other_body[0] == body[0]) {
          return Rejection{id, "allowed_ips[0]", "OVERLAP", "its address is another's", {other}};
        }
      }
    }
    for (const ObjectId& need : model::NeedsOf(id)) {
      if (!others.contains(need)) {
        return Rejection{id, "", "MISSING", "what it needs is not there", {need}};
      }
    }
    return std::nullopt;
  }

 private:
  static Nack NeedSnapshot(std::uint64_t nonce, std::uint64_t to) {
    return {nonce, to, {}, true, "does not follow"};
  }

  Answer Apply(std::uint64_t nonce, const std::string& to_epoch, std::uint64_t to, Objects next,
               const std::vector<ObjectId>& removals, std::vector<Object> upserts,
               const std::string& digest) {
    if (is_full) {
      return Nack{nonce, to, {}, false, "no space left"};
    }
    for (const ObjectId& id : removals) {
      next.erase(id);
    }
    for (const Object& object : upserts) {
      next.erase(object.id);
    }
    std::stable_sort(upserts.begin(), upserts.end(),
                     [](const Object& a, const Object& b) { return a.id.kind < b.id.kind; });
    std::vector<Rejection> rejections;
    for (const Object& object : upserts) {
      if (auto rejection = Judge(next, object.id, object.body)) {
        rejections.push_back(*std::move(rejection));
      } else {
        next.emplace(object.id, object.body);
      }
    }
    if (!rejections.empty()) {
      return Nack{nonce, to, std::move(rejections), false, "objects cannot be accepted"};
    }
    if (DigestOf(next).bytes() != digest) {
      return NeedSnapshot(nonce, to);
    }
    epoch = to_epoch;
    revision = to;
    objects = std::move(next);
    return Ack{nonce, to, digest};
  }

  std::vector<SnapshotChunk> chunks_;
};

}  // namespace adit::sync
