#pragma once

#include <libmnl/libmnl.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace adit::host {

// A request under construction: one netlink message in a buffer of its own.
class NetlinkRequest {
 public:
  NetlinkRequest(std::uint16_t type, std::uint16_t flags);
  ~NetlinkRequest() = default;
  NetlinkRequest(const NetlinkRequest&) = delete;
  NetlinkRequest& operator=(const NetlinkRequest&) = delete;

  // The fixed part after the header (ifinfomsg, ifaddrmsg, rtmsg), zeroed. Call once, first.
  template <typename Body>
  Body& AddBody() {
    return *static_cast<Body*>(mnl_nlmsg_put_extra_header(header_, sizeof(Body)));
  }
  [[nodiscard]] nlmsghdr* header() { return header_; }

 private:
  alignas(nlmsghdr) char buffer_[1024] = {};
  nlmsghdr* header_;
};

// A blocking rtnetlink socket for requests with an answer. It receives no notifications.
// Thread: one at a time.
class NetlinkSocket {
 public:
  [[nodiscard]] static absl::StatusOr<NetlinkSocket> Open();

  // Sends the request and waits for its acknowledgement. 0 or the kernel's errno.
  [[nodiscard]] int Transact(NetlinkRequest& request);
  // Sends the request (a dump, or a query for one object), waits for the whole answer and calls
  // `on_message` for each of its messages. 0 or an errno; then nothing was called. A dump that a
  // change interrupted is asked again, so what is seen is one consistent state.
  [[nodiscard]] int Query(NetlinkRequest& request,
                          const std::function<void(const nlmsghdr&)>& on_message);

 private:
  explicit NetlinkSocket(mnl_socket* socket) : socket_(socket, &mnl_socket_close) {}
  // Sends, and reads until the answer ends; its data messages are appended to `answer`. 0 or an
  // errno; EINTR: a dump was interrupted.
  int Exchange(NetlinkRequest& request, std::vector<char>& answer);

  std::unique_ptr<mnl_socket, int (*)(mnl_socket*)> socket_;
  std::uint32_t sequence_ = 0;
  std::vector<char> buffer_;
};

// Visits the attributes after the message's fixed part of `body_size` bytes.
void ForEachAttribute(const nlmsghdr& message, std::size_t body_size,
                      const std::function<void(const nlattr*)>& visit);

// An error of the kernel about `operation_and_object`, with what to do where that is known; OK for
// 0.
[[nodiscard]] absl::Status NetlinkError(int error_number, std::string_view operation_and_object);

}  // namespace adit::host
