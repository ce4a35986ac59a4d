#include "common/config/nearest.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace adit::config {
namespace {

std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

}  // namespace

std::optional<std::string_view> Nearest(std::string_view typed,
                                        std::span<const std::string_view> candidates) {
  constexpr std::size_t kFarthest = 2;
  constexpr std::size_t kLongestTyped = 64;  // longer is no slip, and would cost its square
  std::optional<std::string_view> nearest;
  std::size_t best = kFarthest + 1;
  if (typed.size() > kLongestTyped) {
    return std::nullopt;
  }
  for (const std::string_view candidate : candidates) {
    if (const std::size_t distance = EditDistance(typed, candidate); distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace adit::config
