#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "dataplane/crypto/aead_lanes.h"
#include "dataplane/crypto/poly1305.h"

#define ADIT_LANES 8
#define ADIT_LANES_NAMESPACE lanes8
#define ADIT_LANES_TARGET __attribute__((target("avx2,bmi2")))
#include "dataplane/crypto/aead_lanes_kernel.inc"
#undef ADIT_LANES
#undef ADIT_LANES_NAMESPACE
#undef ADIT_LANES_TARGET

namespace adit::crypto {

const LaneKernel* Avx2LaneKernel() {
  // The costs: beside intel-ipsec-mb 1.3 on Zen 3.
  static constexpr LaneKernel kKernel = {.instructions = "AVX2",
                                         .lanes = lanes8::kLanes,
                                         .seal = lanes8::Seal,
                                         .open = lanes8::Open,
                                         .step_cost = 5,
                                         .library_packet_cost = 6};
  const bool has_all = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("bmi2") != 0;
  return has_all ? &kKernel : nullptr;
}

}  // namespace adit::crypto
