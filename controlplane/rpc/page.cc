#include "controlplane/rpc/page.h"

#include <absl/strings/escaping.h>

namespace adit::hub {
namespace {

// Before the name, so that a name typed in by hand is no token.
constexpr std::string_view kTokenMark = "after:";

}  // namespace

std::string MakePageToken(std::string_view last_name) {
  return absl::WebSafeBase64Escape(std::string(kTokenMark).append(last_name));
}

std::optional<std::string> ReadPageToken(std::string_view token) {
  std::string text;
  if (!absl::WebSafeBase64Unescape(absl::string_view(token.data(), token.size()), &text) ||
      !text.starts_with(kTokenMark)) {
    return std::nullopt;
  }
  return text.substr(kTokenMark.size());
}

}  // namespace adit::hub
