#include "dataplane/io/udp_steering.h"

#include <linux/filter.h>
#include <sys/socket.h>

#include <vector>

#include "common/status.h"

namespace adit::io {
namespace {

// No group has so many sockets: the kernel's hash decides.
constexpr std::uint32_t kByHash = UINT32_MAX;

// Offsets count from the UDP payload.
std::vector<sock_filter> SteeringProgram(std::span<const packet::SteeringByte> steering) {
  std::vector<sock_filter> program = {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0)};
  for (const packet::SteeringByte& byte : steering) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, byte.first_byte, 0, 2));
    program.push_back(BPF_STMT(BPF_LD | BPF_B | BPF_ABS, byte.offset));
    program.push_back(BPF_STMT(BPF_RET | BPF_A, 0));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, kByHash));
  return program;
}

}  // namespace

absl::Status SteerGroup(Syscalls& syscalls, int fd,
                        std::span<const packet::SteeringByte> steering) {
  std::vector<sock_filter> program = SteeringProgram(steering);
  const sock_fprog attached{.len = static_cast<unsigned short>(program.size()),
                            .filter = program.data()};
  const int result =
      syscalls.SetSockOpt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &attached, sizeof attached);
  return ErrnoStatus(-result, "steer datagrams to shards (SO_ATTACH_REUSEPORT_CBPF)");
}

}  // namespace adit::io
