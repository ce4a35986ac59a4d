#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "common/spare_descriptor.h"
#include "common/status.h"
#include "common/unique_fd.h"
#include "dataplane/uapi/listener.h"
#include "dataplane/uapi/service.h"

namespace adit::uapi {

// Serves the socket: connections, each with any number of requests one after another. SO_PEERCRED
// says who calls; only uid 0 and the process's own uid are served.
//
// Bounded: kMaxConnections at a time (more wait in the backlog), each idle for at most kIdleLimit.
//
// Thread: Run on one of its own, never the shard's; RequestStop from any.
class Server {
 public:
  static constexpr std::size_t kMaxConnections = 16;
  static constexpr int kIdleLimitMilliseconds = 30'000;

  // on_socket_gone is called once, by Run's thread, when the socket's name was removed or replaced:
  // that is how an operator ends a userspace device. Run goes on until RequestStop.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Server>> Make(
      std::unique_ptr<Listener> listener, Device& device, const ServiceOptions& options,
      std::function<void()> on_socket_gone);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void Run();
  void RequestStop();

 private:
  struct Connection;

  Server(std::unique_ptr<Listener> listener, Device& device, const ServiceOptions& options,
         std::function<void()> on_socket_gone);
  // False: the process may open no more files, not even to refuse; not at once again.
  bool Accept();
  void CloseIdle();

  std::unique_ptr<Listener> listener_;
  Service service_;
  std::function<void()> on_socket_gone_;
  UniqueFd stop_;  // eventfd
  SpareDescriptor spare_;
  bool is_refusing_ = false;  // for want of descriptors; said
  std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace adit::uapi
