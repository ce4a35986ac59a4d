#pragma once

#include "dataplane/crypto/aead_lanes.h"

namespace adit::crypto {

// nullptr where the CPU lacks AVX2.
[[nodiscard]] const LaneKernel* Lanes16WithoutAvx512();

}  // namespace adit::crypto
