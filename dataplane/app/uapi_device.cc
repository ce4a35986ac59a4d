#include "dataplane/app/uapi_device.h"

#include <algorithm>
#include <cerrno>

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

}  // namespace

absl::StatusOr<uapi::DeviceReport> UapiDevice::Report() {
  uapi::DeviceReport report;
  report.listen_port = shard_.listen_port();
  report.firewall_mark = shard_.firewall_mark();
  std::uint32_t next = 0;
  do {
    const bool has_run = shard_.Call([&](engine::Engine& engine, Now) {
      if (next == 0 && engine.identity().is_set()) {
        report.private_key = crypto::SymmetricKey(engine.identity().private_key());
        report.public_key = engine.public_key();
      }
      next = engine.AppendReports(next, kPeersPerTask, report.peers);
    });
    if (!has_run) {
      return Stopping();
    }
  } while (next != 0);
  return report;
}

absl::Status UapiDevice::Apply(const uapi::SetRequest& request) {
  if (request.listen_port) {
    RETURN_IF_ERROR(shard_.SetListenPort(*request.listen_port));
  }
  if (request.firewall_mark) {
    RETURN_IF_ERROR(shard_.SetFirewallMark(*request.firewall_mark));
  }
  std::size_t at = 0;
  bool is_first = true;
  do {
    absl::Status status;
    const std::size_t end = std::min(at + kPeersPerTask, request.peers.size());
    const bool has_run = shard_.Call([&](engine::Engine& engine, Now now) {
      if (is_first && request.replace_peers) {
        engine.RemoveAllPeers();
      }
      if (is_first && request.private_key &&
          !engine.SetPrivateKey(request.private_key->bytes(), now)) {
        status = ErrnoStatus(ENOMEM, "store the private key: the locked key memory is full");
      }
      for (; at < end && status.ok(); ++at) {
        status = ApplyPeer(request.peers[at], engine, now);
      }
    });
    if (!has_run) {
      return Stopping();
    }
    RETURN_IF_ERROR(status);
    is_first = false;
  } while (at < request.peers.size());
  return absl::OkStatus();
}

}  // namespace adit::app
