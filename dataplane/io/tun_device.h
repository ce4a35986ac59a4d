#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/unique_fd.h"
#include "dataplane/io/offload_switch.h"
#include "dataplane/io/syscalls.h"

namespace adit::io {

struct TunOptions {
  std::string name;           // 1 to 15 bytes, no '/', ':', '%' or white space
  bool is_persistent = true;  // outlives the process: while nobody holds it nothing leaves in clear
  OffloadSwitch offload = OffloadSwitch::kAuto;
  std::uint32_t transmit_queue_length = 1000;  // packets; TUN's own default, 500, loses bursts
};

// Which super-packets cross the TUN, in both directions.
struct TunOffloads {
  bool tcp = false;  // TSO, and checksums left to us
  bool udp = false;  // USO (Linux 6.2); never without tcp
  friend bool operator==(const TunOffloads&, const TunOffloads&) = default;
};

// A TUN interface with one queue and virtio headers, opened and configured. Reading is TunReader's
// and writing TunWriter's; addresses, routes, MTU and link state are dataplane/host's.
class TunDevice {
 public:
  // Makes the interface or adopts the persistent one of that name. The errors name the remedy: a
  // bad name (InvalidArgument), no /dev/net/tun, no permission, held by a living process (EBUSY),
  // the name of something that is no such TUN, and with OffloadSwitch::kOn an offload that the
  // kernel does not have. On error nothing is left open, and an interface that was made for this
  // call is gone. syscalls is used until the device's end.
  [[nodiscard]] static absl::StatusOr<TunDevice> Open(Syscalls& syscalls,
                                                      const TunOptions& options);

  // Somebody deleted the interface: makes it again, as it was, behind the same descriptor, so that
  // whoever reads, writes or polls it goes on. Errors as Open's; EEXIST when it is not deleted but
  // in another network namespace.
  [[nodiscard]] absl::Status Reattach();

  // Non-blocking. Readable: a packet waits. An error event: the interface was deleted.
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const std::string& name() const { return options_.name; }
  [[nodiscard]] std::uint32_t index() const { return index_; }
  [[nodiscard]] const TunOffloads& offloads() const { return offloads_; }
  // What the kernel did not grant and what it costs, a sentence each, to be logged once.
  [[nodiscard]] const std::vector<std::string>& limitations() const { return limitations_; }

  // false: the interface ends with the descriptor (a clean exit).
  [[nodiscard]] absl::Status SetPersistent(bool is_persistent);

 private:
  TunDevice(Syscalls& syscalls, const TunOptions& options)
      : syscalls_(&syscalls), options_(options) {}
  absl::Status OpenFile();
  absl::Status Attach();
  absl::Status NegotiateOffloads();
  absl::Status ConfigureLink();

  Syscalls* syscalls_;
  TunOptions options_;
  UniqueFd fd_;
  std::uint32_t index_ = 0;
  TunOffloads offloads_;
  std::vector<std::string> limitations_;
};

}  // namespace adit::io
