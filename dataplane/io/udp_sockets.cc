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
  for (int attempt = 1;; ++attempt) {
    UdpSockets both;
    both.port_ = options.port;
    absl::Status failed;
    for (const IpFamily family : kFamilies) {
      UdpOptions own = options;
      own.port = both.port_;
      auto socket = UdpSocket::Open(syscalls, family, own);
      if (socket.ok()) {
        both.port_ = socket->port();
        both.sockets_[IndexOf(family)] = std::move(*socket);
        continue;
      }
      failed = socket.status();
      if (!IsFamilyMissing(failed)) {
        break;
      }
    }
    const bool has_any = both.Of(IpFamily::kV4) != nullptr || both.Of(IpFamily::kV6) != nullptr;
    if (failed.ok() || (has_any && IsFamilyMissing(failed))) {
      return both;
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
