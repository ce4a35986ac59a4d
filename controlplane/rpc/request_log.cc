#include "controlplane/rpc/request_log.h"

#include <utility>

#include "common/bytes.h"
#include "controlplane/rpc/rich_status.h"

namespace adit::hub {
namespace {

constexpr std::size_t kMaxIdSize = 128;

}  // namespace

StateDigest FingerprintOf(std::string_view method, std::string_view request) {
  StateDigest digest;
  digest.Add(0, AsBytes(method), AsBytes(request));
  return digest;
}

absl::StatusOr<const RequestLog::Entry*> RequestLog::Find(const std::string& id,
                                                          const StateDigest& fingerprint,
                                                          Instant now) {
  if (id.size() > kMaxIdSize) {
    return BadField("options.request_id", "longer than 128 bytes: a UUID is enough");
  }
  Forget(now);
  const auto found = entries_.find(id);
  if (found == entries_.end()) {
    return nullptr;
  }
  if (!(found->second.fingerprint == fingerprint)) {
    return BadField("options.request_id",
                    "a different request had this id within ten minutes: choose a new id");
  }
  return &found->second;
}

void RequestLog::Add(const std::string& id, Entry entry, Instant now) {
  if (entries_.insert_or_assign(id, std::move(entry)).second) {
    ages_.push_back({now, id});
  }
  Forget(now);
}

void RequestLog::Forget(Instant now) {
  while (!ages_.empty() && (ages_.size() > max_entries_ || now - ages_.front().since > kKept)) {
    entries_.erase(ages_.front().id);
    ages_.pop_front();
  }
}

}  // namespace adit::hub
