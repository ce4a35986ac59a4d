// The kernel of 16 lanes compiled to AVX2, two registers for one of AVX-512: what AVX-512 computes
// can be checked on machines without.
#include "tests/dataplane/crypto/lanes16_without_avx512.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "dataplane/crypto/poly1305.h"

#define ADIT_LANES 16
#define ADIT_LANES_NAMESPACE lanes16_without_avx512
#define ADIT_LANES_TARGET __attribute__((target("avx2,bmi2")))
#include "dataplane/crypto/aead_lanes_kernel.inc"

namespace adit::crypto {

const LaneKernel* Lanes16WithoutAvx512() {
  static constexpr LaneKernel kKernel = {.instructions = "AVX2, as 16 lanes",
                                         .lanes = lanes16_without_avx512::kLanes,
                                         .seal = lanes16_without_avx512::Seal,
                                         .open = lanes16_without_avx512::Open,
                                         .step_cost = 1,
                                         .library_packet_cost = 1};
  return Avx2LaneKernel() != nullptr ? &kKernel : nullptr;
}

}  // namespace adit::crypto
