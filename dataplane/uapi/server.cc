#include "dataplane/uapi/server.h"

#include <net/if.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "common/log.h"

namespace adit::uapi {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;
// After an accept that failed for want of a file descriptor.
constexpr int kAcceptPauseMilliseconds = 100;
constexpr std::size_t kReadSize = std::size_t{16} * 1024;

bool IsTransient(int error) { return error == EAGAIN || error == EINTR; }

}  // namespace

// One caller: what it said so far and what it has not yet read of the answers. A caller that does
// not read is not read from, so that at most one answer waits.
struct Server::Connection {
  Connection(UniqueFd socket, unsigned caller)
      : fd(std::move(socket)),
        uid(caller),
        parser([](const std::string& name) { return if_nametoindex(name.c_str()); }) {}

  [[nodiscard]] short Interest() const { return answer.empty() ? POLLIN : POLLOUT; }

  void HandleReady(Service& service) {
    if (!answer.empty()) {
      Send();
    } else if (Receive()) {
      is_at_end = true;
    }
    // Answers what is whole, one request after the other, while the caller takes the answers.
    while (answer.empty() && !is_finished) {
      consumed += parser.Consume(input.view().substr(consumed));
      if (consumed == input.size()) {
        input.Clear();
        consumed = 0;
        if (is_at_end) {
          parser.HandleEnd();
        }
      }
      if (!parser.is_complete()) {
        is_finished = is_at_end;
        return;
      }
      answer = service.Answer(parser, uid);
      parser.Reset();
      crypto::WipeStack();  // keys were read and written as text
      Send();
    }
  }

  // True: the caller has said all it has to say.
  bool Receive() {
    std::array<char, kReadSize> buffer;
    const ssize_t got = read(fd.get(), buffer.data(), buffer.size());
    if (got > 0) {
      const auto size = static_cast<std::size_t>(got);
      input.Append({buffer.data(), size});
      crypto::Wipe({reinterpret_cast<std::uint8_t*>(buffer.data()), size});
    } else if (got < 0 && !IsTransient(errno)) {
      is_finished = true;
    }
    return got == 0;
  }

  void Send() {
    while (sent < answer.size()) {
      const std::string_view rest = answer.view().substr(sent);
      const ssize_t result = send(fd.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
      if (result < 0) {
        is_finished = !IsTransient(errno);
        return;
      }
      sent += static_cast<std::size_t>(result);
    }
    answer.Clear();
    sent = 0;
  }

  UniqueFd fd;
  const unsigned uid;
  RequestParser parser;
  SecretText input;
  std::size_t consumed = 0;
  SecretText answer;
  std::size_t sent = 0;
  bool is_at_end = false;
  bool is_finished = false;
  SteadyTime last_active = std::chrono::steady_clock::now();
};

Server::Server(std::unique_ptr<Listener> listener, Device& device, const ServiceOptions& options,
               std::function<void()> on_socket_gone)
    : listener_(std::move(listener)),
      service_(device, options),
      on_socket_gone_(std::move(on_socket_gone)) {}

Server::~Server() = default;

absl::StatusOr<std::unique_ptr<Server>> Server::Make(std::unique_ptr<Listener> listener,
                                                     Device& device, const ServiceOptions& options,
                                                     std::function<void()> on_socket_gone) {
  std::unique_ptr<Server> server(
      new Server(std::move(listener), device, options, std::move(on_socket_gone)));
  server->stop_.Reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!server->stop_.is_open()) {
    return ErrnoStatus(errno, "make an eventfd");
  }
  return server;
}

void Server::RequestStop() {
  const std::uint64_t one = 1;
  (void)!write(stop_.get(), &one, sizeof(one));
}

void Server::Run() {
  bool is_gone = false;
  bool is_pausing = false;
  std::vector<pollfd> polls;
  while (true) {
    polls.clear();
    polls.push_back({stop_.get(), POLLIN, 0});
    polls.push_back({is_gone ? -1 : listener_->events_fd(), POLLIN, 0});
    const bool accepts = connections_.size() < kMaxConnections && !is_pausing;
    polls.push_back({accepts ? listener_->fd() : -1, POLLIN, 0});
    for (const auto& connection : connections_) {
      polls.push_back({connection->fd.get(), connection->Interest(), 0});
    }
    const int timeout = is_pausing             ? kAcceptPauseMilliseconds
                        : connections_.empty() ? -1
                                               : kIdleLimitMilliseconds;
    if (poll(polls.data(), polls.size(), timeout) < 0 && errno != EINTR) {
      LOG_ERROR("uapi: poll: {}", MessageOf(ErrnoStatus(errno, "poll")));
      return;
    }
    if (polls[0].revents != 0) {
      return;
    }
    for (std::size_t i = 3; i < polls.size(); ++i) {
      if (polls[i].revents != 0) {
        Connection& connection = *connections_[i - 3];
        connection.last_active = std::chrono::steady_clock::now();
        connection.HandleReady(service_);
      }
    }
    CloseIdle();
    is_pausing = polls[2].revents != 0 && !Accept();
    if (polls[1].revents != 0) {
      listener_->DrainEvents();
      if (!listener_->IsInPlace()) {
        is_gone = true;
        on_socket_gone_();
      }
    }
  }
}

void Server::CloseIdle() {
  const SteadyTime oldest =
      std::chrono::steady_clock::now() - std::chrono::milliseconds(kIdleLimitMilliseconds);
  std::erase_if(connections_, [&](const auto& connection) {
    return connection->is_finished || connection->last_active <= oldest;
  });
}

bool Server::Accept() {
  UniqueFd socket(accept4(listener_->fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket.is_open()) {
    const int error = errno;
    if (error != EMFILE && error != ENFILE) {
      return true;
    }
    if (!std::exchange(is_refusing_, true)) {
      LOG_ERROR("uapi: accept: {}: callers are refused; raise the limit of open files",
                std::strerror(error));
    }
    return spare_.RefuseOne(listener_->fd());
  }
  is_refusing_ = false;
  ucred caller{};
  socklen_t size = sizeof(caller);
  if (getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &caller, &size) != 0 ||
      (caller.uid != 0 && caller.uid != geteuid())) {
    LOG_INFO("uapi: refused a caller with uid {}: only root is served", caller.uid);
    return true;
  }
  connections_.push_back(std::make_unique<Connection>(std::move(socket), caller.uid));
  return true;
}

}  // namespace adit::uapi
