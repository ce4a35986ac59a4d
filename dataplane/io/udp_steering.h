#pragma once

#include <span>

#include <absl/status/status.h>

#include "dataplane/io/syscalls.h"
#include "dataplane/packet/steering_byte.h"

namespace adit::io {

// Attaches to the group of sockets that share this one's port (SO_REUSEPORT, socket(7)) a program
// that chooses the socket of each datagram, by the number in the order of binding that its steering
// byte says. What has no such byte, or names no socket, goes where the kernel's hash of addresses
// and ports says; of a datagram that is shorter than the offset the byte reads as 0. A train that
// UDP_GRO joins goes where its first datagram says. Needs no capability.
[[nodiscard]] absl::Status SteerGroup(Syscalls& syscalls, int fd,
                                      std::span<const packet::SteeringByte> steering);

}  // namespace adit::io
