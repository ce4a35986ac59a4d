#pragma once

#include <sys/types.h>

#include <string>
#include <thread>
#include <vector>

#include <absl/status/status.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include "common/mutex.h"
#include "common/random.h"
#include "dataplane/rpc/backoff.h"
#include "dataplane/rpc/inbox.h"
#include "dataplane/rpc/outbox.h"

namespace adit::rpc {

// The stream to the control plane: dials, checks who listens, reads into the Inbox and writes from
// the Outbox; when it ends, begins again with backoff, for ever. Knows nothing of what the messages
// mean.
//
// Threads: one of its own dials and reads, one more per stream writes. Public functions: any.
class ControlLink {
 public:
  // Inbox and Outbox outlive the link.
  ControlLink(std::string channel, std::vector<uid_t> controlplane_uids, Inbox& inbox,
              Outbox& outbox);
  ~ControlLink() { Stop(); }
  ControlLink(const ControlLink&) = delete;
  ControlLink& operator=(const ControlLink&) = delete;

  void Start();
  // Ends the stream and the threads. The Inbox must be closed or emptied meanwhile.
  void Stop();
  // Ends the stream that is there now; the next is begun with backoff.
  void EndStream();

 private:
  void Run();
  // True: the other end spoke, and did not refuse us.
  bool Talk(const std::shared_ptr<grpc::Channel>& channel);
  // Says why there is no connection, once per reason.
  void Note(const absl::Status& status);
  void WaitBeforeNext();
  [[nodiscard]] bool IsStopping();

  const std::string channel_;
  const std::vector<uid_t> uids_;
  Inbox& inbox_;
  Outbox& outbox_;
  SystemRandom random_;
  Backoff backoff_{random_};
  std::string noted_;
  std::uint64_t stream_number_ = 0;
  std::thread thread_;

  Mutex mutex_;
  CondVar stopped_;
  bool is_stopping_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::ClientContext* context_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace adit::rpc
