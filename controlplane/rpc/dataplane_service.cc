#include "controlplane/rpc/dataplane_service.h"

namespace adit::hub {
namespace {

namespace pb = ::adit::dataplane::v1;

// Ends a stream that there is no room for.
class RefusedSync final : public grpc::ServerBidiReactor<pb::FromDataplane, pb::FromControlplane> {
 public:
  RefusedSync() {
    Finish({grpc::StatusCode::RESOURCE_EXHAUSTED, "too many data planes have a stream here"});
  }
  void OnDone() override { delete this; }
};

// Counts the records of one stream; they are kept nowhere.
class FlowRecorder final : public grpc::ServerReadReactor<pb::FlowRecord> {
 public:
  FlowRecorder(std::atomic<std::uint64_t>& total, pb::FlowRecordSummary* summary)
      : total_(total), summary_(summary) {
    StartRead(&record_);
  }
  void OnReadDone(bool ok) override {
    if (!ok) {
      Finish(grpc::Status::OK);
      return;
    }
    total_.fetch_add(1, std::memory_order_relaxed);
    summary_->set_accepted(summary_->accepted() + 1);
    StartRead(&record_);
  }
  void OnDone() override { delete this; }

 private:
  std::atomic<std::uint64_t>& total_;
  pb::FlowRecordSummary* const summary_;
  pb::FlowRecord record_;
};

}  // namespace

grpc::ServerBidiReactor<pb::FromDataplane, pb::FromControlplane>* DataplaneService::Sync(
    grpc::CallbackServerContext* context) {
  if (sessions_.fetch_add(1, std::memory_order_relaxed) >= max_sessions_) {
    sessions_.fetch_sub(1, std::memory_order_relaxed);
    return new RefusedSync;
  }
  return new DataplaneSession(thread_, links_, context,
                              [this] { sessions_.fetch_sub(1, std::memory_order_relaxed); });
}

grpc::ServerReadReactor<pb::FlowRecord>* DataplaneService::RecordFlows(
    grpc::CallbackServerContext* /*context*/, pb::FlowRecordSummary* summary) {
  return new FlowRecorder(flow_records_, summary);
}

}  // namespace adit::hub
