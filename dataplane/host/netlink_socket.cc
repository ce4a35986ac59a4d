#include "dataplane/host/netlink_socket.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "common/status.h"

namespace adit::host {
namespace {

// Larger than any single message of links, addresses or routes; a dump comes in several.
constexpr std::size_t kReceiveSize = std::size_t{64} * 1024;
// A host that changes all the time must not keep us here for ever.
constexpr int kDumpAttempts = 10;

std::string_view RemedyFor(int error_number) {
  switch (error_number) {
    case EPERM:
      return " (the data plane needs CAP_NET_ADMIN in this network namespace)";
    case ENODEV:
      return " (the interface was deleted: restart the data plane)";
    case ENOBUFS:
    case ENOMEM:
      return " (the kernel is out of memory)";
    default:
      return "";
  }
}

}  // namespace

absl::Status NetlinkError(int error_number, std::string_view operation_and_object) {
  const absl::Status plain = ErrnoStatus(error_number, operation_and_object);
  absl::Status with_remedy(plain.code(), MessageOf(plain) + std::string(RemedyFor(error_number)));
  plain.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    with_remedy.SetPayload(url, payload);
  });
  return with_remedy;
}

void ForEachAttribute(const nlmsghdr& message, std::size_t body_size,
                      const std::function<void(const nlattr*)>& visit) {
  const auto forward = [](const nlattr* attribute, void* visitor) {
    (*static_cast<const std::function<void(const nlattr*)>*>(visitor))(attribute);
    return MNL_CB_OK;
  };
  mnl_attr_parse(&message, static_cast<unsigned>(body_size), forward,
                 const_cast<std::function<void(const nlattr*)>*>(&visit));
}

NetlinkRequest::NetlinkRequest(std::uint16_t type, std::uint16_t flags)
    : header_(mnl_nlmsg_put_header(buffer_)) {
  header_->nlmsg_type = type;
  header_->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
}

absl::StatusOr<NetlinkSocket> NetlinkSocket::Open() {
  mnl_socket* raw = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
  if (raw == nullptr) {
    return ErrnoStatus(errno, "open rtnetlink socket");
  }
  NetlinkSocket socket(raw);
  if (mnl_socket_bind(raw, 0, MNL_SOCKET_AUTOPID) != 0) {
    return ErrnoStatus(errno, "bind rtnetlink socket");
  }
  // With this the kernel filters dumps by interface and protocol (Linux 4.20), so that a host with
  // a full routing table is not read whole.
  int on = 1;
  if (mnl_socket_setsockopt(raw, NETLINK_GET_STRICT_CHK, &on, sizeof on) != 0) {
    return ErrnoStatus(errno, "set NETLINK_GET_STRICT_CHK (Linux 4.20 or later is needed)");
  }
  return socket;
}

int NetlinkSocket::Transact(NetlinkRequest& request) {
  request.header()->nlmsg_flags |= NLM_F_ACK;
  std::vector<char> answer;
  return Exchange(request, answer);
}

int NetlinkSocket::Query(NetlinkRequest& request,
                         const std::function<void(const nlmsghdr&)>& on_message) {
  const bool is_dump = (request.header()->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
  if (!is_dump) {
    request.header()->nlmsg_flags |= NLM_F_ACK;  // marks where the answer ends
  }
  std::vector<char> answer;
  int error_number = EINTR;
  for (int attempt = 0; attempt < kDumpAttempts && error_number == EINTR; ++attempt) {
    answer.clear();
    error_number = Exchange(request, answer);
  }
  if (error_number != 0) {
    return error_number;
  }
  int left = static_cast<int>(answer.size());
  for (const auto* message = reinterpret_cast<const nlmsghdr*>(answer.data());
       mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
    on_message(*message);
  }
  return 0;
}

int NetlinkSocket::Exchange(NetlinkRequest& request, std::vector<char>& answer) {
  request.header()->nlmsg_seq = ++sequence_;
  if (mnl_socket_sendto(socket_.get(), request.header(), request.header()->nlmsg_len) < 0) {
    return errno;
  }
  buffer_.resize(kReceiveSize);
  bool was_interrupted = false;
  while (true) {
    const ssize_t got = mnl_socket_recvfrom(socket_.get(), buffer_.data(), buffer_.size());
    if (got < 0) {
      if (errno == EINTR) {
        continue;
      }
      return errno;
    }
    int left = static_cast<int>(got);
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer_.data());
         mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
      if (message->nlmsg_seq != sequence_) {
        continue;  // the rest of an exchange that ended early
      }
      was_interrupted |= (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
      if (message->nlmsg_type == NLMSG_ERROR) {
        return -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message))->error;
      }
      if (message->nlmsg_type == NLMSG_DONE) {
        return was_interrupted ? EINTR : 0;
      }
      const auto* bytes = reinterpret_cast<const char*>(message);
      answer.insert(answer.end(), bytes, bytes + message->nlmsg_len);
      answer.resize((answer.size() + NLMSG_ALIGNTO - 1) / NLMSG_ALIGNTO * NLMSG_ALIGNTO);
    }
  }
}

}  // namespace adit::host
