#include "tests/dataplane/crypto/vectors.h"

#include <fstream>
#include <stdexcept>

namespace adit::crypto {

nlohmann::json ReadVectors(const std::string& name) {
  const std::string path = std::string(ADIT_SOURCE_DIR "/tests/vectors/") + name;
  std::ifstream file(path);
  if (!file) {
    throw std::runtime_error("cannot read " + path);
  }
  return nlohmann::json::parse(file);
}

std::vector<std::uint8_t> Bytes(const nlohmann::json& entry, const char* field) {
  const std::string text = entry.at(field).get<std::string>();
  if (text.size() % 2 != 0) {
    throw std::runtime_error(std::string(field) + " is no hexadecimal text");
  }
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

}  // namespace adit::crypto
