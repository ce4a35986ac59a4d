#pragma once

#include <map>
#include <random>
#include <string>
#include <vector>

#include "common/state_digest.h"
#include "dataplane/state/view.h"

namespace adit::state {

// The obvious copy of a view, and a deterministic history of changes: what revision N holds is a
// function of N alone, so that a test knows it without having seen the writer.
class ViewModel {
 public:
  struct Change {
    std::vector<StoredKey> removals;
    std::vector<StoredObject> upserts;
  };

  [[nodiscard]] std::uint64_t revision() const { return revision_; }
  [[nodiscard]] const std::map<StoredKey, std::string>& objects() const { return objects_; }

  Change Step() {
    std::mt19937 generator(static_cast<std::uint32_t>(++revision_));
    const auto random = [&] { return static_cast<std::uint32_t>(generator()); };
    Change change;
    for (std::uint32_t i = random() % 3; i > 0 && !objects_.empty(); --i) {
      auto it = objects_.begin();
      std::advance(it, random() % objects_.size());
      change.removals.push_back(it->first);
      objects_.erase(it);
    }
    for (std::uint32_t i = 1 + random() % 4; i > 0; --i) {
      StoredObject object{1 + random() % 4, "key" + std::to_string(random() % 40),
                          std::string(random() % 200, static_cast<char>('a' + random() % 26))};
      objects_[{object.kind, object.key}] = object.body;
      change.upserts.push_back(std::move(object));
    }
    return change;
  }

  [[nodiscard]] static ViewModel At(std::uint64_t revision) {
    ViewModel model;
    while (model.revision_ < revision) {
      model.Step();
    }
    return model;
  }

  [[nodiscard]] ViewVersion Version() const {
    StateDigest digest;
    for (const auto& [key, body] : objects_) {
      digest.Add(key.kind, Bytes(key.key), Bytes(body));
    }
    return {"epoch", revision_, digest.bytes(),
            WallTime(seconds(static_cast<std::int64_t>(revision_))), WallTime()};
  }

  [[nodiscard]] std::vector<ObjectView> Views() const {
    std::vector<ObjectView> views;
    for (const auto& [key, body] : objects_) {
      views.push_back({key.kind, key.key, body});
    }
    return views;
  }

 private:
  static ByteSpan Bytes(const std::string& text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
  }
  std::uint64_t revision_ = 0;
  std::map<StoredKey, std::string> objects_;
};

inline std::map<StoredKey, std::string> ObjectsOf(const StoredView& view) {
  std::map<StoredKey, std::string> objects;
  for (const StoredObject& object : view.objects) {
    objects[{object.kind, object.key}] = object.body;
  }
  return objects;
}

inline std::vector<KeyView> KeyViews(const ViewModel::Change& change) {
  std::vector<KeyView> views;
  for (const StoredKey& key : change.removals) {
    views.push_back({key.kind, key.key});
  }
  return views;
}

inline std::vector<ObjectView> UpsertViews(const ViewModel::Change& change) {
  std::vector<ObjectView> views;
  for (const StoredObject& object : change.upserts) {
    views.push_back({object.kind, object.key, object.body});
  }
  return views;
}

}  // namespace adit::state
