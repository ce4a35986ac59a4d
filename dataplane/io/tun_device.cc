#include "dataplane/io/tun_device.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "common/status.h"
#include "dataplane/io/link_limits.h"
#include "dataplane/io/remedy_status.h"
#include "dataplane/io/virtio_header.h"
#include "dataplane/packet/super_packet.h"

namespace adit::io {
namespace {

constexpr char kTunPath[] = "/dev/net/tun";
// Linux 6.2; younger than Debian 12's headers.
constexpr unsigned long kUso4 = 0x20;
constexpr unsigned long kUso6 = 0x40;
constexpr unsigned long kTcpOffloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
constexpr unsigned long kAllOffloads = kTcpOffloads | kUso4 | kUso6;

// The kernel's rule (dev_valid_name), and no '%', which makes it count up names.
bool IsValidName(const std::string& name) {
  const bool has_right_length = !name.empty() && name.size() < IFNAMSIZ;
  return has_right_length && name != "." && name != ".." &&
         name.find_first_of("/:% \t\n\v\f\r") == std::string::npos;
}

absl::Status OpenError(int error) {
  const std::string what = fmt::format("open {}", kTunPath);
  switch (error) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return ErrnoStatusWithRemedy(error, what,
                                   "load the kernel module (modprobe tun), or give the container "
                                   "the device (--device /dev/net/tun)");
    case EACCES:
      return ErrnoStatusWithRemedy(error, what,
                                   "its mode keeps this uid out: start as root, or chmod 0666 it "
                                   "(on the host, for a container), which is what udev gives it");
    case EPERM:
      return ErrnoStatusWithRemedy(
          error, what, "give the container the device with access (--device /dev/net/tun:rw)");
    default:
      return ErrnoStatus(error, what);
  }
}

absl::Status AttachError(int error, const std::string& name) {
  const std::string what = fmt::format("attach to TUN interface {}", name);
  switch (error) {
    case EBUSY:
      return ErrnoStatusWithRemedy(
          error, what, "another running process holds it: stop that, or choose another name");
    case EPERM:
      return ErrnoStatusWithRemedy(
          error, what, "needs CAP_NET_ADMIN: start as root, or add NET_ADMIN to the container");
    case EEXIST:
      return ErrnoStatusWithRemedy(error, what,
                                   "somebody moved it to another network namespace: move it back, "
                                   "and do not move it while the process runs");
    case EINVAL:
      return ErrnoStatusWithRemedy(error, what,
                                   fmt::format("an interface of that name exists and is no TUN "
                                               "with one queue: choose another name, or remove it "
                                               "(ip link delete {})",
                                               name));
    default:
      return ErrnoStatus(error, what);
  }
}

}  // namespace

absl::StatusOr<TunDevice> TunDevice::Open(Syscalls& syscalls, const TunOptions& options) {
  if (!IsValidName(options.name)) {
    return InvalidArgument(
        fmt::format("TUN interface name \"{}\": expected 1 to {} bytes without '/', ':', '%' and "
                    "white space",
                    options.name, IFNAMSIZ - 1));
  }
  TunDevice device(syscalls, options);
  RETURN_IF_ERROR(device.OpenFile());
  RETURN_IF_ERROR(device.Attach());
  return device;
}

absl::Status TunDevice::Reattach() {
  const TunOffloads before = offloads_;
  limitations_.clear();
  RETURN_IF_ERROR(Attach());
  // Whoever writes to it merges what the first one took.
  return offloads_ == before
             ? absl::OkStatus()
             : FailedPrecondition(name() + ": the kernel does not grant the offloads it did");
}

absl::Status TunDevice::OpenFile() {
  const int fd = syscalls_->Open(kTunPath, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) {
    return OpenError(-fd);
  }
  fd_.Reset(fd);
  return absl::OkStatus();
}

absl::Status TunDevice::Attach() {
  ifreq request{};
  name().copy(request.ifr_name, IFNAMSIZ - 1);
  // Never IFF_MULTI_QUEUE: a second process could attach, and take half of the packets.
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  const int attached = syscalls_->Ioctl(fd_.get(), TUNSETIFF, &request);
  if (attached < 0) {
    return AttachError(-attached, name());
  }

  // A persistent interface may remember another size from another program.
  int header_size = kVirtioHeaderSize;
  const int sized = syscalls_->Ioctl(fd_.get(), TUNSETVNETHDRSZ, &header_size);
  RETURN_IF_ERROR(ErrnoStatus(-sized, fmt::format("set the virtio header size of {}", name())));
  RETURN_IF_ERROR(NegotiateOffloads());
  RETURN_IF_ERROR(ConfigureLink());
  return SetPersistent(options_.is_persistent);
}

absl::Status TunDevice::NegotiateOffloads() {
  const OffloadSwitch wanted = options_.offload;
  offloads_ = {};
  const auto try_offloads = [this](unsigned long flags) {
    return -syscalls_->IoctlValue(fd_.get(), TUNSETOFFLOAD, flags);
  };
  const std::string what = fmt::format("set the offloads of {}", name());
  if (wanted != OffloadSwitch::kOff) {
    if (try_offloads(kAllOffloads) == 0) {
      offloads_ = {.tcp = true, .udp = true};
      return absl::OkStatus();
    }
    const int error = try_offloads(kTcpOffloads);
    if (wanted == OffloadSwitch::kOn) {
      return error == 0 ? FailedPrecondition(what +
                                             ": the kernel has no UDP segmentation on TUN (Linux "
                                             "6.2 has); use auto to do without")
                        : ErrnoStatusWithRemedy(error, what, "use auto to do without");
    }
    if (error == 0) {
      offloads_ = {.tcp = true, .udp = false};
      limitations_.push_back(
          fmt::format("{}: the kernel has no UDP segmentation on TUN (Linux 6.2 has): UDP costs "
                      "more CPU",
                      name()));
      return absl::OkStatus();
    }
    limitations_.push_back(
        fmt::format("{}: the kernel refused the offloads ({}): packets cross one by one, at "
                    "several times the CPU",
                    name(), MessageOf(ErrnoStatus(error, "TUNSETOFFLOAD"))));
  }
  // A persistent interface keeps those of its last owner.
  return ErrnoStatus(try_offloads(0), what);
}

absl::Status TunDevice::ConfigureLink() {
  ASSIGN_OR_RETURN(LinkLimits limits, LinkLimits::Open(*syscalls_));
  ASSIGN_OR_RETURN(index_, limits.IndexOf(name()));
  if (const absl::Status status = limits.SetGsoMaxSegments(index_, packet::kMaxSegments);
      !status.ok()) {
    limitations_.push_back(fmt::format(
        "{}: {}: a super-packet of more than {} segments is dropped instead of cut by the kernel",
        name(), MessageOf(status), packet::kMaxSegments));
  }
  if (const absl::Status status =
          limits.SetTransmitQueueLength(index_, options_.transmit_queue_length);
      !status.ok()) {
    limitations_.push_back(
        fmt::format("{}: {}: bursts of more packets are lost", name(), MessageOf(status)));
  }
  return absl::OkStatus();
}

absl::Status TunDevice::SetPersistent(bool is_persistent) {
  const int result = syscalls_->IoctlValue(fd_.get(), TUNSETPERSIST, is_persistent ? 1 : 0);
  return ErrnoStatus(-result, fmt::format("make {} {}", name(),
                                          is_persistent ? "persistent" : "end with the process"));
}

}  // namespace adit::io
