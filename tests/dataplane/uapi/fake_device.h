#pragma once

#include <string>
#include <vector>

#include "dataplane/uapi/device.h"

namespace adit::uapi {

// A device that keeps what it is told and reports what the test says.
class FakeDevice final : public Device {
 public:
  absl::StatusOr<DeviceReport> Report() override {
    if (!report_status.ok()) {
      return report_status;
    }
    return report;
  }
  absl::Status Apply(const SetRequest& request) override {
    applied.push_back(request);
    return apply_status;
  }

  DeviceReport report;
  absl::Status report_status;
  absl::Status apply_status;
  std::vector<SetRequest> applied;
};

inline const std::string kHexA(64, 'a');
inline const std::string kHexB(64, 'b');

}  // namespace adit::uapi
