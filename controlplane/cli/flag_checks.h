#pragma once

#include <string>

#include "common/config/checks.h"

// Checks of flags that several commands share.
namespace adit::cli {

[[nodiscard]] config::Check<std::string> IsPublicKey();
[[nodiscard]] config::Check<std::string> IsHostPortOrNone();
// Numeric "192.0.2.1:51820" or "[2001:db8::1]:51820", or none.
[[nodiscard]] config::Check<std::string> IsEndpointOrNone();

}  // namespace adit::cli
