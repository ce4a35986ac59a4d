#include "dataplane/crypto/aead_lanes.h"

#include <algorithm>

#include "dataplane/crypto/aead_providers.h"

namespace adit::crypto {
namespace {

class LanesAead final : public Aead {
 public:
  LanesAead(const LaneKernel& kernel, std::unique_ptr<Aead> library)
      : kernel_(kernel), library_(std::move(library)) {}

  [[nodiscard]] std::string_view name() const override { return "lanes"; }

  void Seal(std::span<const std::uint8_t, 32> key, std::span<const SealJob> jobs) override {
    ForEachGroup(
        jobs, [&](std::span<const SealJob> group) { kernel_.seal(key, group); },
        [&](std::span<const SealJob> group) { library_->Seal(key, group); });
  }

  void Open(std::span<const std::uint8_t, 32> key, std::span<OpenJob> jobs) override {
    ForEachGroup(
        jobs, [&](std::span<OpenJob> group) { kernel_.open(key, group); },
        [&](std::span<OpenJob> group) { library_->Open(key, group); });
  }

 private:
  // A train fills groups one after the other; only the last may have few packets.
  template <typename Job>
  void ForEachGroup(std::span<Job> jobs, auto run_kernel, auto run_library) {
    bool used_kernel = false;
    while (!jobs.empty()) {
      const std::span<Job> group = jobs.first(std::min(jobs.size(), kernel_.lanes));
      if (IsWorthAGroup(group)) {
        run_kernel(group);
        used_kernel = true;
      } else {
        run_library(group);
      }
      jobs = jobs.subspan(group.size());
    }
    if (used_kernel) {
      WipeStack<kLaneKernelStack>();
    }
  }

  template <typename Job>
  [[nodiscard]] bool IsWorthAGroup(std::span<Job> group) const {
    constexpr std::uint64_t kStep = 64;
    // The one-time keys, and what is done a packet after another at both ends.
    constexpr std::uint64_t kStepsBesides = 2;
    std::uint64_t longest = 0;
    std::uint64_t library_cost = 0;
    for (const Job& job : group) {
      const std::uint64_t steps = (job.length + kStep - 1) / kStep;
      longest = std::max(longest, steps);
      library_cost += kernel_.library_packet_cost + steps;
    }
    return (kStepsBesides + longest) * kernel_.step_cost < library_cost;
  }

  const LaneKernel& kernel_;
  std::unique_ptr<Aead> library_;  // for the few packets that are not worth a group
};

}  // namespace

std::vector<const LaneKernel*> LaneKernels() {
  std::vector<const LaneKernel*> kernels = {Avx512LaneKernel(), Avx2LaneKernel()};
  std::erase(kernels, nullptr);
  return kernels;
}

std::unique_ptr<Aead> MakeLanesAead() {
  const std::vector<const LaneKernel*> kernels = LaneKernels();
  if (kernels.empty()) {
    return nullptr;
  }
  std::unique_ptr<Aead> library;
#ifdef ADIT_HAVE_IPSEC_MB
  library = MakeIpsecMbAead();
#endif
  if (library == nullptr) {
    library = MakeOpensslAead();
  }
  return library == nullptr ? nullptr
                            : std::make_unique<LanesAead>(*kernels.front(), std::move(library));
}

}  // namespace adit::crypto
