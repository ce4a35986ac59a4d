#include "controlplane/cli/error_text.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace adit::cli {
namespace {

// Fields whose flag is not simply their name with dashes.
constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kFlags{{
    {"name", "NAME"},
    {"cidrs", "--cidr"},
    {"allow_all", "--allow"},
    {"peers", "--peer"},
    {"resources", "--resource"},
    {"preshared_key", "--psk-file"},
    {"expires_unix_ns", "--expires"},
    {"wait_ms", "--timeout"},
    {"validate_only", "--dry-run"},
}};

}  // namespace

std::string FlagOfField(std::string_view field, std::string_view noun) {
  for (const std::string_view message : {noun, std::string_view("options")}) {
    if (field.starts_with(message) && field.substr(message.size()).starts_with('.')) {
      field.remove_prefix(message.size() + 1);
    }
  }
  field = field.substr(0, field.find_first_of("[."));
  if (field == "node" && noun == "peer") {
    return "--gateway";
  }
  const auto* const known =
      std::ranges::find(kFlags, field, &std::pair<std::string_view, std::string_view>::first);
  if (known != kFlags.end()) {
    return std::string(known->second);
  }
  std::string flag = "--" + std::string(field);
  std::ranges::replace(flag, '_', '-');
  return flag;
}

std::string ErrorText(const grpc::Status& status, std::string_view noun) {
  std::string text = status.error_message();
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    text = fmt::format("no answer within --timeout{}{}", text.empty() ? "" : ": ", text);
  }
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) {
    return text;
  }
  for (const auto& detail : details.details()) {
    google::rpc::BadRequest bad;
    if (!detail.UnpackTo(&bad)) {
      continue;
    }
    for (const auto& violation : bad.field_violations()) {
      text +=
          fmt::format("\n  {}: {}", FlagOfField(violation.field(), noun), violation.description());
    }
  }
  return text;
}

}  // namespace adit::cli
