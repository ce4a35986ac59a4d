#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "dataplane/crypto/aead_lanes.h"
#include "dataplane/crypto/poly1305.h"

#define ADIT_LANES 16
#define ADIT_LANES_NAMESPACE lanes16
#define ADIT_LANES_TARGET __attribute__((target("avx512f,avx512bw,bmi2")))
#define ADIT_LANES_HAS_ZMM
#include "dataplane/crypto/aead_lanes_kernel.inc"
#undef ADIT_LANES_HAS_ZMM
#undef ADIT_LANES
#undef ADIT_LANES_NAMESPACE
#undef ADIT_LANES_TARGET

namespace adit::crypto {

const LaneKernel* Avx512LaneKernel() {
  // The costs: intel-ipsec-mb 1.3's on Zen 4, and an estimate of the kernel's.
  static constexpr LaneKernel kKernel = {.instructions = "AVX-512",
                                         .lanes = lanes16::kLanes,
                                         .seal = lanes16::Seal,
                                         .open = lanes16::Open,
                                         .step_cost = 14,
                                         .library_packet_cost = 10};
  const bool has_all = __builtin_cpu_supports("avx512f") != 0 &&
                       __builtin_cpu_supports("avx512bw") != 0 &&
                       __builtin_cpu_supports("bmi2") != 0;
  return has_all ? &kKernel : nullptr;
}

}  // namespace adit::crypto
