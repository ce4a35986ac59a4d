#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/time.h"

// What the state files hold of a node's view, as bytes: nobody here knows what the objects mean.
namespace adit::state {

struct StoredKey {
  std::uint32_t kind = 0;
  std::string key;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 reads a null pointer into it
  friend auto operator<=>(const StoredKey&, const StoredKey&) = default;
};

struct StoredObject {
  std::uint32_t kind = 0;
  std::string key;
  std::string body;
  friend bool operator==(const StoredObject&, const StoredObject&) = default;
};

// An object that somebody else owns.
struct ObjectView {
  std::uint32_t kind = 0;
  std::string_view key;
  std::string_view body;
};

struct KeyView {
  std::uint32_t kind = 0;
  std::string_view key;
};

// Which state it is, and when it was received by which clocks.
struct ViewVersion {
  std::string epoch;
  std::uint64_t revision = 0;
  std::string digest;   // StateDigest::bytes() of all objects
  WallTime written_at;  // own wall clock
  WallTime hub_now;     // the hub's, at the same moment
};

struct StoredView {
  ViewVersion version;
  std::vector<StoredObject> objects;  // in no particular order
};

}  // namespace adit::state
