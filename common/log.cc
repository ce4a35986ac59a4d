#include "common/log.h"

#include <array>

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace adit {
namespace {

// The level in five columns of capitals: "INFO ", "WARN ".
class LevelColumn final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    static constexpr std::array<std::string_view, 7> kNames = {"TRACE", "DEBUG", "INFO ", "WARN ",
                                                               "ERROR", "FATAL", "OFF  "};
    const std::string_view name = kNames[static_cast<std::size_t>(message.level)];
    out.append(name.data(), name.data() + name.size());
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<LevelColumn>();
  }
};

}  // namespace

absl::Status InitLog(std::string_view program, std::string_view level) {
  auto logger = std::make_shared<spdlog::logger>(std::string(program),
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  formatter->add_flag<LevelColumn>('*').set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %* %n: %v");
  logger->set_formatter(std::move(formatter));
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
  return SetLogLevel(level);
}

absl::Status SetLogLevel(std::string_view level) {
  for (const std::string_view known : {"trace", "debug", "info", "warn", "error", "off"}) {
    if (level == known) {
      spdlog::set_level(spdlog::level::from_str(std::string(level)));
      return absl::OkStatus();
    }
  }
  return InvalidArgument(
      fmt::format("log level '{}' is unknown: use trace, debug, info, warn, error or off", level));
}

}  // namespace adit
