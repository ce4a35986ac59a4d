#pragma once

#include <sys/types.h>

#include <memory>
#include <span>
#include <string_view>

#include <absl/status/statusor.h>
#include <grpcpp/channel.h>
#include <grpcpp/support/channel_arguments.h>

#include "common/time.h"
#include "common/unique_fd.h"

// The connecting end of a unix socket. Connecting does not wait: a server that does not accept is
// UNAVAILABLE. A server whose uid is not among `servers` is PERMISSION_DENIED; an empty list allows
// nobody. Errors name the path and what to do. Thread: any.
namespace adit::channel {

// A connected socket, non-blocking and close-on-exec.
[[nodiscard]] absl::StatusOr<UniqueFd> ConnectUnix(std::string_view address,
                                                   std::span<const uid_t> servers);

// Waits until the server has said something, as gRPC's do at once, but no longer than `patience`.
// PERMISSION_DENIED: it has hung up instead, as UnixListener does on a uid it does not allow.
[[nodiscard]] absl::Status AwaitWelcome(const UniqueFd& connection, std::string_view address,
                                        Duration patience);

// A gRPC channel over one such connection. It does not reconnect: when the connection is gone every
// call is UNAVAILABLE, and whoever dials owns the back-off.
[[nodiscard]] absl::StatusOr<std::shared_ptr<grpc::Channel>> DialUnix(
    std::string_view address, std::span<const uid_t> servers,
    const grpc::ChannelArguments& arguments = grpc::ChannelArguments());
[[nodiscard]] std::shared_ptr<grpc::Channel> ChannelOver(UniqueFd connection,
                                                         const grpc::ChannelArguments& arguments);

}  // namespace adit::channel
