#pragma once

#include <string_view>

#include <absl/status/status.h>
#include <fmt/format.h>

#include "common/status.h"

namespace adit::io {

// ErrnoStatus with what to do behind it: "open /dev/net/tun: Permission denied; run as root".
[[nodiscard]] inline absl::Status ErrnoStatusWithRemedy(int error_number,
                                                        std::string_view operation_and_object,
                                                        std::string_view remedy) {
  const absl::Status bare = ErrnoStatus(error_number, operation_and_object);
  absl::Status status(bare.code(), fmt::format("{}; {}", MessageOf(bare), remedy));
  bare.ForEachPayload(
      [&](absl::string_view url, const absl::Cord& payload) { status.SetPayload(url, payload); });
  return status;
}

}  // namespace adit::io
