#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <absl/status/statusor.h>
#include <grpcpp/server.h>

#include "common/channel/unix_socket.h"
#include "common/spare_descriptor.h"
#include "common/unique_fd.h"

namespace adit::channel {

// A listening unix socket that hands over the connections of allowed uids and closes all others;
// all, while the process may open no more files.
//
// Thread: Open, the handler's set-up and the destructor belong to one thread; the handler runs on
// the listener's own thread, one connection at a time. Owns the socket, its name in the file system
// and the thread. The destructor joins the thread and removes the name if it is still its own.
class UnixListener {
 public:
  using Handler = std::function<void(UniqueFd connection, const PeerCredentials& peer)>;

  // Binds and listens; connections wait in the kernel until Start. The directory is made (0750)
  // when only it is missing; an existing one must be ours or root's and give others nothing and the
  // group no writing (FAILED_PRECONDITION names the mode and the remedy). What a killed process
  // left is replaced; a socket that somebody serves is ALREADY_EXISTS, any other file
  // FAILED_PRECONDITION. Nothing is left behind on error.
  static absl::StatusOr<std::unique_ptr<UnixListener>> Open(std::string_view address,
                                                            std::vector<uid_t> allowed);
  ~UnixListener();
  UnixListener(const UnixListener&) = delete;
  UnixListener& operator=(const UnixListener&) = delete;

  // Once. Connections are non-blocking and close-on-exec.
  void Start(Handler handler);
  // Start with a gRPC server as the receiver; it must outlive the listener. One server belongs to
  // one listener, so that whoever its methods serve was let in here.
  void ServeWith(grpc::Server& server);

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  UnixListener(std::string path, std::vector<uid_t> allowed)
      : path_(std::move(path)), allowed_(std::move(allowed)) {}
  [[nodiscard]] absl::Status Listen();
  void AcceptLoop(const Handler& handler);
  void AcceptOne(const Handler& handler);

  const std::string path_;
  const std::vector<uid_t> allowed_;
  UniqueFd socket_;
  UniqueFd stop_;  // eventfd
  SpareDescriptor spare_;
  bool is_refusing_ = false;  // for want of descriptors; said
  dev_t device_ = 0;
  ino_t inode_ = 0;
  bool is_named_ = false;
  std::thread thread_;
};

}  // namespace adit::channel
