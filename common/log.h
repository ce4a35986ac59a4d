#pragma once

#include <string>
#include <string_view>

#include <spdlog/spdlog.h>

#include "common/status.h"

// The log: one line per event on standard error, "2026-01-02T03:04:05.678Z INFO  text".
// INFO is a state change a user would notice; WARN would wake somebody and fails integration
// tests; addresses and names never above DEBUG. Nothing on the packet path logs.
namespace adit {

// Call once in main, before threads. level: trace, debug, info, warn, error or off.
absl::Status InitLog(std::string_view program, std::string_view level);
// Changes the level at run time; an unknown level is an error and changes nothing.
absl::Status SetLogLevel(std::string_view level);

}  // namespace adit

#define LOG_TRACE(...) ::spdlog::trace(__VA_ARGS__)
#define LOG_DEBUG(...) ::spdlog::debug(__VA_ARGS__)
#define LOG_INFO(...) ::spdlog::info(__VA_ARGS__)
#define LOG_WARN(...) ::spdlog::warn(__VA_ARGS__)
#define LOG_ERROR(...) ::spdlog::error(__VA_ARGS__)
