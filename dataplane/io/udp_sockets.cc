#include "dataplane/io/udp_sockets.h"

#include <cerrno>
#include <utility>

#include "common/status.h"

namespace adit::io {
namespace {

// The other family may have what the kernel chose for the first one: so many times it may choose.
constexpr int kPortAttempts = 16;

bool IsFamilyMissing(const absl::Status& status) {
  const int error = ErrnoOf(status);
  return error == EAFNOSUPPORT || error == EPROTONOSUPPORT || error == EADDRNOTAVAIL;
}

}  // namespace

absl::StatusOr<UdpSockets> UdpSockets::Open(Syscalls& syscalls, const UdpOptions& options) {
  ASSIGN_OR_RETURN(std::vector<UdpSockets> group, OpenGroup(syscalls, options, 1, {}));
  return std::move(group.front());
}

absl::StatusOr<std::vector<UdpSockets>> UdpSockets::OpenGroup(
    Syscalls& syscalls, const UdpOptions& options, std::size_t count,
    std::span<const packet::SteeringByte> steering) {
  for (int attempt = 1;; ++attempt) {
    std::vector<UdpSockets> group;
    for (std::size_t i = 0; i < count; ++i) {
      group.push_back(UdpSockets());
    }
    std::uint16_t port = options.port;
    bool has_any = false;
    absl::Status failed;
    for (const IpFamily family : kFamilies) {
      UdpOptions own = options;
      own.port = port;
      auto sockets = UdpSocket::OpenGroup(syscalls, family, own, count, steering);
      if (sockets.ok()) {
        has_any = true;
        port = sockets->front().port();
        for (std::size_t i = 0; i < count; ++i) {
          group[i].sockets_[IndexOf(family)] = std::move((*sockets)[i]);
          group[i].port_ = port;
        }
        continue;
      }
      failed = sockets.status();
      if (!IsFamilyMissing(failed)) {
        break;
      }
    }
    if (failed.ok() || (has_any && IsFamilyMissing(failed))) {
      return group;
    }
    const bool may_choose_again =
        options.port == 0 && ErrnoOf(failed) == EADDRINUSE && attempt < kPortAttempts;
    if (!may_choose_again) {
      return failed;
    }
  }
}

std::vector<std::string> UdpSockets::limitations() const {
  std::vector<std::string> all;
  for (const IpFamily family : kFamilies) {
    if (const UdpSocket* socket = Of(family)) {
      all.insert(all.end(), socket->limitations().begin(), socket->limitations().end());
    } else {
      all.push_back(family == IpFamily::kV6 ? "the host has no IPv6: no peer is reached over it"
                                            : "the host has no IPv4: no peer is reached over it");
    }
  }
  return all;
}

absl::Status UdpSockets::SetMark(std::uint32_t mark) {
  for (std::optional<UdpSocket>& socket : sockets_) {
    if (socket) {
      RETURN_IF_ERROR(socket->SetMark(mark));
    }
  }
  return absl::OkStatus();
}

}  // namespace adit::io
