#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "controlplane/model/view.h"

// What NodeSync hears and says, as plain values: the messages of the channel without protobuf.
namespace adit::sync {

using model::ObjectId;

struct Object {
  ObjectId id;
  std::string body;  // the bytes that travel and that the digest covers
  friend bool operator==(const Object&, const Object&) = default;
};

// From the data plane.
struct Hello {
  std::string epoch;  // of the state it has applied; empty: none
  std::uint64_t applied_revision = 0;
  std::string digest;
};

struct Ack {
  std::uint64_t nonce = 0;
  std::uint64_t revision = 0;
  std::string digest;
};

// `field`, `code` and `text` as the data plane says them; a change of one of `cured_by` may make
// the object acceptable.
struct Rejection {
  ObjectId object;
  std::string field;
  std::string code;
  std::string text;
  std::vector<ObjectId> cured_by;
  friend bool operator==(const Rejection&, const Rejection&) = default;
};

// Without rejections and without needs_snapshot: nothing can be applied at present (a full disk).
struct Nack {
  std::uint64_t nonce = 0;
  std::uint64_t revision = 0;
  std::vector<Rejection> rejections;
  bool needs_snapshot = false;
  std::string text;
};

// To the data plane. The sender adds the hub's wall clock.
struct SnapshotChunk {
  std::uint64_t nonce = 0;
  std::string epoch;
  std::uint64_t revision = 0;
  std::uint32_t chunk = 0;  // 0-based
  std::uint32_t chunk_count = 1;
  std::vector<Object> objects;
  std::string digest;  // of the whole
};

struct Delta {
  std::uint64_t nonce = 0;
  std::string epoch;
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  std::vector<ObjectId> removals;
  std::vector<Object> upserts;
  std::string digest;  // after applying
};

struct Ping {
  std::uint64_t nonce = 0;
};

// End the stream: the data plane does not answer. It will dial again.
struct Close {
  std::string reason;
};

using Message = std::variant<SnapshotChunk, Delta, Ping, Close>;

}  // namespace adit::sync
