#include "common/config/yaml_keys.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "common/status.h"
#include "common/unique_fd.h"

namespace adit::config {
namespace {

constexpr std::size_t kLargestFile = std::size_t{1} << 20;  // bytes; ours are a few hundred

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) {
    return ErrnoStatus(errno, fmt::format("open the file of --config, {}", path));
  }
  std::string text;
  char buffer[4096];
  while (true) {
    const ssize_t got = read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return ErrnoStatus(errno, fmt::format("read the file of --config, {}", path));
    }
    if (got == 0) {
      return text;
    }
    text.append(buffer, static_cast<std::size_t>(got));
    if (text.size() > kLargestFile) {
      return InvalidArgument(
          fmt::format("{}: expected at most {} bytes of configuration", path, kLargestFile));
    }
  }
}

class Reader {
 public:
  explicit Reader(std::string_view path) : path_(path) {}

  absl::StatusOr<YamlKeys> Read(const YAML::Node& root) const {
    YamlKeys keys;
    if (root.IsNull()) {
      return keys;
    }
    if (!root.IsMap()) {
      return Error(root, "expected lines of \"key: value\"");
    }
    for (const auto& pair : root) {
      if (!pair.first.IsScalar()) {
        return Error(pair.first, "expected the name of a key");
      }
      const std::string name = pair.first.Scalar();
      ASSIGN_OR_RETURN(YamlKey key, ReadValue(name, pair.first, pair.second));
      if (!keys.emplace(name, std::move(key)).second) {
        return Error(pair.first, fmt::format("{}: expected once, and it is here again", name));
      }
    }
    return keys;
  }

 private:
  absl::StatusOr<YamlKey> ReadValue(std::string_view name, const YAML::Node& at,
                                    const YAML::Node& value) const {
    YamlKey key;
    key.line = at.Mark().line + 1;
    key.is_sequence = value.IsSequence();
    if (value.IsScalar()) {
      key.values.push_back(value.Scalar());
      return key;
    }
    if (!value.IsSequence()) {
      return Error(at, fmt::format("{}: {}: expected a value or a list of values", name,
                                   value.IsMap() ? "a group of keys" : "nothing"));
    }
    for (const YAML::Node& element : value) {
      if (!element.IsScalar()) {
        return Error(element, fmt::format("{}: expected a list of plain values", name));
      }
      key.values.push_back(element.Scalar());
    }
    return key;
  }

  absl::Status Error(const YAML::Node& at, std::string_view text) const {
    return InvalidArgument(fmt::format("{}:{}: {}", path_, at.Mark().line + 1, text));
  }

  std::string_view path_;
};

}  // namespace

absl::StatusOr<YamlKeys> ParseYamlKeys(std::string_view path, const std::string& text) {
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.size() > 1) {
      return InvalidArgument(
          fmt::format("{}: expected one YAML document, and it has {}", path, documents.size()));
    }
    return documents.empty() ? YamlKeys{} : Reader(path).Read(documents.front());
  } catch (const YAML::Exception& error) {
    return InvalidArgument(
        fmt::format("{}:{}: expected YAML: {}", path, error.mark.line + 1, error.msg));
  }
}

absl::StatusOr<YamlKeys> ReadYamlKeys(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  return ParseYamlKeys(path, text);
}

}  // namespace adit::config
