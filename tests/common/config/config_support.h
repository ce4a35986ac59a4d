#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "common/config/parser.h"

namespace adit::config {

// A configuration file that vanishes with the object.
class ConfigFile {
 public:
  explicit ConfigFile(const std::string& text) {
    std::string name = (std::filesystem::temp_directory_path() / "adit-config-XXXXXX").string();
    const int fd = mkstemp(name.data());
    if (fd < 0) {
      std::abort();
    }
    close(fd);
    path_ = name;
    Write(text);
  }
  ~ConfigFile() { unlink(path_.c_str()); }
  ConfigFile(const ConfigFile&) = delete;
  ConfigFile& operator=(const ConfigFile&) = delete;

  void Write(const std::string& text) const { std::ofstream(path_, std::ios::trunc) << text; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

[[nodiscard]] inline Environment EnvironmentOf(std::map<std::string, std::string> variables) {
  return [variables = std::move(variables)](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  };
}

// A bit of every program's flags.
struct Options {
  std::string tun_name = "adit0";
  std::uint32_t mtu = 1280;
  std::string log_level = "info";
  std::vector<IpPrefix> allow_route;
  std::vector<std::string> note;
  bool host_setup = true;
  bool is_foreground = false;
  Toggle udp_gso = Toggle::kAuto;
  Duration interval = seconds(10);
  std::optional<HostPort> advertise;
  SocketAddress channel{.unix_path = "/run/adit/dataplane.sock", .tcp = {}};
  std::optional<std::string> word;

  void Declare(Parser& parser) {
    parser.Flag("tun-name", &tun_name, "NAME", "the interface", NotEmpty());
    parser.Flag("mtu", &mtu, "BYTES", "MTU of the tunnel", Between<std::uint32_t>(576, 65'475));
    parser
        .Flag("log-level,l", &log_level, "LEVEL", "what is logged",
              OneOf({"debug", "info", "warn"}))
        .Reloadable();
    parser.Flag("allow-route", &allow_route, "PREFIX", "routes that may be asked for");
    parser.Flag("note", &note, "TEXT", "any text");
    parser.Flag("host-setup", &host_setup, "on|off", "whether to set the host up");
    parser.Switch("foreground,f", &is_foreground, "stay in the foreground");
    parser.Flag("udp-gso", &udp_gso, "auto|on|off", "segmentation by the kernel");
    parser.Flag("interval", &interval, "TIME", "between statistics").Reloadable();
    parser.Flag("advertise", &advertise, "HOST:PORT", "what clients dial").CommandLineOnly();
    parser.Flag("channel", &channel, "ADDRESS", "the control plane's socket");
    parser.Positional("WORD", &word, "a word");
  }
};

}  // namespace adit::config
