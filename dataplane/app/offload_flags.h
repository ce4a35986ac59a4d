#pragma once

#include "common/config/parser.h"
#include "dataplane/io/offload_switch.h"

namespace adit::app {

// --tun-offload, --udp-gso and --udp-gro, of both modes.
struct OffloadFlags {
  config::Toggle tun_offload = config::Toggle::kAuto;
  config::Toggle udp_gso = config::Toggle::kAuto;
  config::Toggle udp_gro = config::Toggle::kAuto;
};

inline void DeclareOffloads(config::Parser& parser, OffloadFlags& flags) {
  parser.Flag("tun-offload", &flags.tun_offload, "auto|on|off",
              "super-packets (TSO, USO) and checksums on the TUN");
  parser.Flag("udp-gso", &flags.udp_gso, "auto|on|off", "send trains with UDP_SEGMENT");
  parser.Flag("udp-gro", &flags.udp_gro, "auto|on|off", "receive trains with UDP_GRO");
}

[[nodiscard]] constexpr io::OffloadSwitch SwitchOf(config::Toggle toggle) {
  switch (toggle) {
    case config::Toggle::kOn:
      return io::OffloadSwitch::kOn;
    case config::Toggle::kOff:
      return io::OffloadSwitch::kOff;
    case config::Toggle::kAuto:
      break;
  }
  return io::OffloadSwitch::kAuto;
}

}  // namespace adit::app
