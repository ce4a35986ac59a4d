#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

#include "controlplane/rpc/rich_status.h"

// Lists in pages, in the order of names. A page token says after which name to go on, so pages stay
// right when objects come and go meanwhile. Callers must not look into it.
namespace adit::hub {

inline constexpr std::uint32_t kDefaultPageSize = 50;
inline constexpr std::uint32_t kMaxPageSize = 1000;

[[nodiscard]] std::string MakePageToken(std::string_view last_name);
// The name; nullopt when it is not a token of ours.
[[nodiscard]] std::optional<std::string> ReadPageToken(std::string_view token);

// Calls add(record) for each of the page; returns the next page's token, "" at the end.
// INVALID_ARGUMENT names page_token. A size above the most gets the most.
template <typename Record, typename Add>
absl::StatusOr<std::string> ListPage(const std::map<std::string, Record, std::less<>>& all,
                                     std::uint32_t page_size, std::string_view token, Add add) {
  auto next = all.begin();
  if (!token.empty()) {
    const std::optional<std::string> last = ReadPageToken(token);
    if (!last) {
      return BadField("page_token", "not a token of an earlier page: leave it out to start again");
    }
    next = all.upper_bound(*last);
  }
  const std::uint32_t size = page_size == 0             ? kDefaultPageSize
                             : page_size < kMaxPageSize ? page_size
                                                        : kMaxPageSize;
  for (std::uint32_t i = 0; i < size && next != all.end(); ++i, ++next) {
    add(next->second);
  }
  return next == all.end() ? std::string() : MakePageToken(std::prev(next)->first);
}

}  // namespace adit::hub
