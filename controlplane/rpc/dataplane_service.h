#pragma once

#include <atomic>
#include <cstdint>

#include "adit/dataplane/v1/control.grpc.pb.h"
#include "controlplane/rpc/dataplane_links.h"
#include "controlplane/rpc/model_thread.h"

namespace adit::hub {

// adit.dataplane.v1.DataplaneControl: makes a session of each Sync stream, and counts flow records.
// Thread: gRPC's. Borrows thread and links.
class DataplaneService final : public dataplane::v1::DataplaneControl::CallbackService {
 public:
  DataplaneService(ModelThread& thread, DataplaneLinks& links, std::size_t max_sessions)
      : thread_(thread), links_(links), max_sessions_(max_sessions) {}

  grpc::ServerBidiReactor<dataplane::v1::FromDataplane, dataplane::v1::FromControlplane>* Sync(
      grpc::CallbackServerContext* context) override;
  grpc::ServerReadReactor<dataplane::v1::FlowRecord>* RecordFlows(
      grpc::CallbackServerContext* context, dataplane::v1::FlowRecordSummary* summary) override;

  // Since the process began.
  [[nodiscard]] std::uint64_t flow_records() const {
    return flow_records_.load(std::memory_order_relaxed);
  }

 private:
  ModelThread& thread_;
  DataplaneLinks& links_;
  const std::size_t max_sessions_;
  std::atomic<std::size_t> sessions_ = 0;
  std::atomic<std::uint64_t> flow_records_ = 0;
};

}  // namespace adit::hub
