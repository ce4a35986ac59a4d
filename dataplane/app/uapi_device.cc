#include "dataplane/app/uapi_device.h"

#include <algorithm>
#include <cerrno>
#include <span>
#include <vector>

#include <fmt/format.h>

namespace adit::app {
namespace {

absl::Status Stopping() { return ErrnoStatus(ENODEV, "the device is stopping"); }

absl::Status ApplyPeer(const engine::PeerPatch& patch, engine::Engine& engine, Now now) {
  const bool is_full = engine.peer_count() >= UapiDevice::kMaxPeers;
  engine::PeerPatch bounded = patch;
  bounded.update_only = patch.update_only || is_full;
  if (!engine.ApplyPatch(bounded, now)) {
    return ErrnoStatus(ENOMEM, "store the keys of a peer: the locked key memory is full");
  }
  if (is_full && !patch.update_only && !patch.remove) {
    return ErrnoStatus(ENOSPC,
                       fmt::format("add a peer: {} are there already", UapiDevice::kMaxPeers));
  }
  return absl::OkStatus();
}

// The peers of one piece: all of them, so that every shard knows the same. The first that failed.
absl::Status ApplyPeers(std::span<const engine::PeerPatch> patches, engine::Engine& engine,
                        Now now) {
  absl::Status first;
  for (const engine::PeerPatch& patch : patches) {
    const absl::Status status = ApplyPeer(patch, engine, now);
    if (first.ok()) {
      first = status;
    }
  }
  return first;
}

}  // namespace

absl::StatusOr<uapi::DeviceReport> UapiDevice::Report() {
  uapi::DeviceReport report;
  report.listen_port = shards_.listen_port();
  report.firewall_mark = shards_.firewall_mark();
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    std::uint32_t next = 0;
    do {
      const bool has_run = shards_.CallOne(i, [&](engine::Engine& engine, Now) {
        if (i == 0 && next == 0 && engine.identity().is_set()) {
          report.private_key = crypto::SymmetricKey(engine.identity().private_key());
          report.public_key = engine.public_key();
        }
        next = engine.AppendReports(next, kPeersPerTask, report.peers);
      });
      if (!has_run) {
        return Stopping();
      }
    } while (next != 0);
  }
  return report;
}

absl::Status UapiDevice::Apply(const uapi::SetRequest& request) {
  if (request.listen_port) {
    RETURN_IF_ERROR(shards_.SetListenPort(*request.listen_port));
  }
  if (request.firewall_mark) {
    RETURN_IF_ERROR(shards_.SetFirewallMark(*request.firewall_mark));
  }
  std::span<const engine::PeerPatch> peers = request.peers;
  bool is_first = true;
  do {
    const auto piece = peers.first(std::min(kPeersPerTask, peers.size()));
    peers = peers.subspan(piece.size());
    std::vector<absl::Status> statuses(shards_.size());
    const bool has_run = shards_.Call([&](engine::Engine& engine, Now now) {
      if (is_first && request.replace_peers) {
        engine.RemoveAllPeers();
      }
      if (is_first && request.private_key &&
          !engine.SetPrivateKey(request.private_key->bytes(), now)) {
        statuses[engine.shard()] =
            ErrnoStatus(ENOMEM, "store the private key: the locked key memory is full");
        return;
      }
      statuses[engine.shard()] = ApplyPeers(piece, engine, now);
    });
    if (!has_run) {
      return Stopping();
    }
    for (const absl::Status& status : statuses) {
      RETURN_IF_ERROR(status);
    }
    is_first = false;
  } while (!peers.empty());
  return absl::OkStatus();
}

}  // namespace adit::app
