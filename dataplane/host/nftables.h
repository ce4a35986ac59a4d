#pragma once

#include <memory>
#include <string>

#include <absl/status/statusor.h>

struct nft_ctx;

namespace adit::host {

// libnftables in this process, quiet: commands in, output or an error out. One Run is one
// transaction. Thread: one at a time. Needs CAP_NET_ADMIN, not uid 0.
class Nftables {
 public:
  [[nodiscard]] static absl::StatusOr<Nftables> Open();

  // Runs nft's own language. The error holds nft's first line.
  [[nodiscard]] absl::StatusOr<std::string> Run(const std::string& commands);
  // The same with JSON output, set elements left out.
  [[nodiscard]] absl::StatusOr<std::string> RunForJson(const std::string& commands);

 private:
  explicit Nftables(nft_ctx* context);

  std::unique_ptr<nft_ctx, void (*)(nft_ctx*)> context_;
};

}  // namespace adit::host
