#include "controlplane/cli/output.h"

#include <google/protobuf/util/json_util.h>
#include <yaml-cpp/yaml.h>

#include <nlohmann/json.hpp>

namespace adit::cli {
namespace {

using Json = nlohmann::ordered_json;

void Emit(YAML::Emitter& yaml, const Json& value) {
  if (value.is_object()) {
    yaml << YAML::BeginMap;
    for (const auto& [key, member] : value.items()) {
      yaml << YAML::Key << key << YAML::Value;
      Emit(yaml, member);
    }
    yaml << YAML::EndMap;
  } else if (value.is_array()) {
    yaml << (value.empty() ? YAML::Flow : YAML::Block) << YAML::BeginSeq;
    for (const Json& element : value) {
      Emit(yaml, element);
    }
    yaml << YAML::EndSeq;
  } else if (value.is_string()) {
    // Quoted, so that a name like "on" or "7" stays text.
    yaml << YAML::DoubleQuoted << value.get<std::string>();
  } else {
    yaml << value.dump();
  }
}

}  // namespace

std::string ToJson(const google::protobuf::Message& message, bool is_indented) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = is_indented;
  options.always_print_primitive_fields = true;
  std::string text;
  // Fails only for Any of unknown types, which the admin API does not have.
  static_cast<void>(google::protobuf::util::MessageToJsonString(message, &text, options));
  if (!text.ends_with('\n')) {
    text += '\n';
  }
  return text;
}

std::string ToYaml(const google::protobuf::Message& message) {
  YAML::Emitter yaml;
  Emit(yaml, Json::parse(ToJson(message, false)));
  return std::string(yaml.c_str()) + "\n";
}

bool PrintStructured(Session& session, const google::protobuf::Message& message) {
  if (session.format() == Format::kJson) {
    session.out() << ToJson(message, true);
    return true;
  }
  if (session.format() == Format::kYaml) {
    session.out() << ToYaml(message);
    return true;
  }
  return false;
}

}  // namespace adit::cli
