#pragma once

#include <set>
#include <string>

#include <grpcpp/support/server_callback.h>

#include "adit/admin/v1/node.pb.h"
#include "controlplane/rpc/model_thread.h"

namespace adit::hub {

class NodeWatch;

class NodeWatchOwner {
 public:
  virtual ~NodeWatchOwner() = default;
  // Fills what there is to say of the node.
  virtual void FillWatched(const std::string& node, admin::v1::Node* out) const = 0;
  // The last word; the object is deleted right after.
  virtual void HandleWatchGone(NodeWatch& watch) = 0;
};

// One WatchNodes stream. What changes while a message is on its way coalesces per node, so a slow
// reader costs a name per node and sees the newest. gRPC's threads only post; the object is used
// and deleted on the model thread.
class NodeWatch final : public grpc::ServerWriteReactor<admin::v1::Node> {
 public:
  NodeWatch(ModelThread& thread, NodeWatchOwner& owner) : thread_(thread), owner_(owner) {}

  void Notify(const std::string& node);
  void Close(const grpc::Status& status);

  void OnCancel() override;
  void OnWriteDone(bool ok) override;
  void OnDone() override;

 private:
  void WriteNext();

  ModelThread& thread_;
  NodeWatchOwner& owner_;
  admin::v1::Node outgoing_;
  std::set<std::string> pending_;
  grpc::Status status_;
  bool is_writing_ = false;
  bool is_closing_ = false;
  bool is_finished_ = false;
};

}  // namespace adit::hub
