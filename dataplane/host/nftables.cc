#include "dataplane/host/nftables.h"

#include <cerrno>

#include "common/spare_descriptor.h"
#include "common/status.h"

#include <nftables/libnftables.h>

namespace adit::host {
namespace {

// What a command may open, with some to spare: libnftables ends the process where it cannot.
constexpr int kDescriptors = 8;

std::string FirstLine(const char* text) {
  const std::string whole = text == nullptr ? "" : text;
  return whole.substr(0, whole.find('\n'));
}

}  // namespace

Nftables::Nftables(nft_ctx* context) : context_(context, &nft_ctx_free) {}

absl::StatusOr<Nftables> Nftables::Open() {
  nft_ctx* const context = nft_ctx_new(NFT_CTX_DEFAULT);
  if (context == nullptr || nft_ctx_buffer_output(context) != 0 ||
      nft_ctx_buffer_error(context) != 0) {
    nft_ctx_free(context);
    return Unavailable("libnftables cannot be used: out of memory");
  }
  return Nftables(context);
}

absl::StatusOr<std::string> Nftables::Run(const std::string& commands) {
  if (!CanOpenDescriptors(kDescriptors)) {
    return ErrnoStatus(EMFILE, "ask nftables: raise the limit of open files");
  }
  const int result = nft_run_cmd_from_buffer(context_.get(), commands.c_str());
  // Both buffers start anew with every call, also when it fails.
  const std::string error = FirstLine(nft_ctx_get_error_buffer(context_.get()));
  const char* const output = nft_ctx_get_output_buffer(context_.get());
  if (result != 0) {
    return Unavailable(error.empty() ? "nft failed without a reason" : "nft: " + error);
  }
  return std::string(output == nullptr ? "" : output);
}

absl::StatusOr<std::string> Nftables::RunForJson(const std::string& commands) {
  const unsigned before = nft_ctx_output_get_flags(context_.get());
  nft_ctx_output_set_flags(context_.get(), before | NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_TERSE);
  absl::StatusOr<std::string> output = Run(commands);
  nft_ctx_output_set_flags(context_.get(), before);
  return output;
}

}  // namespace adit::host
