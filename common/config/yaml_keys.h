#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

namespace adit::config {

// One key of a configuration file.
struct YamlKey {
  std::vector<std::string> values;  // one for a scalar
  bool is_sequence = false;
  int line = 0;
};
using YamlKeys = std::map<std::string, YamlKey, std::less<>>;

// Reads a YAML mapping of keys to scalars or sequences of scalars; an empty file has no keys.
// INVALID_ARGUMENT ("FILE:LINE: what was expected") for anything else, a key that repeats, an empty
// value, or a file larger than 1 MiB; the errno's code if it cannot be read.
[[nodiscard]] absl::StatusOr<YamlKeys> ReadYamlKeys(const std::string& path);
[[nodiscard]] absl::StatusOr<YamlKeys> ParseYamlKeys(std::string_view path,
                                                     const std::string& text);

}  // namespace adit::config
