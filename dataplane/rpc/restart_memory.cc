#include "dataplane/rpc/restart_memory.h"

#include <algorithm>

#include "common/log.h"
#include "common/status.h"

namespace adit::rpc {
namespace {

// As long as a session may live: a peer that was heard within it still sends with its keys.
constexpr Duration kRecently = seconds(180);

}  // namespace

absl::StatusOr<std::unique_ptr<RestartMemory>> RestartMemory::Open(
    const state::StateDirectory& directory, Now now) {
  state::PeerMemory::Loaded peers;
  ASSIGN_OR_RETURN(state::PeerMemory peer_file, state::PeerMemory::Open(directory, peers));
  state::TimestampMark::Loaded mark;
  ASSIGN_OR_RETURN(state::TimestampMark mark_file, state::TimestampMark::Open(directory, mark));
  for (const std::string& problem : {peers.problem, mark.problem}) {
    if (!problem.empty()) {
      LOG_WARN("{}", problem);
    }
  }
  std::unique_ptr<RestartMemory> memory(
      new RestartMemory(std::move(peer_file), std::move(mark_file)));
  memory->started_ = now.boot;
  memory->restored_mark_ = mark.mark;
  memory->last_known_ = std::max(peers.written_at, mark.written_at);
  for (const state::PeerRecord& peer : peers.peers) {
    memory->remembered_.push_back(
        {peer.public_key, peer.endpoint, peer.greatest_timestamp, peer.was_active});
    if (peer.was_active) {
      memory->active_before_.insert(peer.public_key);
    }
  }
  // Before the first handshake.
  RETURN_IF_ERROR(memory->mark_file_.EnsureCovers(std::max(now.wall, mark.mark), now.wall));
  return memory;
}

bool RestartMemory::IsActive(const engine::PeerReport& report, Now now) const {
  const bool was_heard_lately =
      report.last_data != Instant() && now.boot - report.last_data < kRecently;
  // It may be waiting for us since before the restart.
  const bool may_still_wait =
      now.boot - started_ < kRecently && active_before_.contains(report.public_key);
  return was_heard_lately || may_still_wait;
}

void RestartMemory::Save(const std::vector<engine::PeerReport>& reports, WallTime greatest,
                         Now now) {
  absl::Status status = mark_file_.EnsureCovers(std::max(now.wall, greatest), now.wall);
  std::vector<state::PeerRecord> records;
  records.reserve(reports.size());
  for (const engine::PeerReport& report : reports) {
    records.push_back(
        {report.public_key, report.endpoint, report.greatest_timestamp, IsActive(report, now)});
  }
  if (const absl::Status saved = peer_file_.Update(records, now.wall); status.ok()) {
    status = saved;
  }
  if (!status.ok() && !is_failing_) {
    LOG_ERROR("a restart would take longer to reach peers: {}", MessageOf(status));
  } else if (status.ok() && is_failing_) {
    LOG_INFO("peers' endpoints and timestamps can be recorded again");
  }
  is_failing_ = !status.ok();
}

}  // namespace adit::rpc
