#pragma once

#include "adit/admin/v1/system.grpc.pb.h"
#include "controlplane/rpc/admin_calls.h"

namespace adit::hub {

// adit.admin.v1.SystemService. Thread: gRPC's; everything runs through AdminCalls.
class SystemService final : public admin::v1::SystemService::CallbackService {
 public:
  explicit SystemService(AdminCalls& calls) : calls_(calls) {}

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const admin::v1::GetStatusRequest* /*request*/,
                                      admin::v1::Status* response) override {
    return calls_.Read(context, [=](const Hub& hub) {
      hub.FillStatus(response);
      return absl::OkStatus();
    });
  }

 private:
  AdminCalls& calls_;
};

}  // namespace adit::hub
