// aditctl: the wiring of cli/aditctl.h to this process.
#include <signal.h>
#include <sodium.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <iostream>
#include <thread>

#include "common/channel/unix_dialler.h"
#include "common/channel/unix_socket.h"
#include "common/status.h"
#include "controlplane/cli/aditctl.h"

namespace {

constexpr adit::Duration kWelcomePatience = adit::seconds(1);

absl::StatusOr<std::shared_ptr<grpc::Channel>> Dial(const std::string& address) {
  ASSIGN_OR_RETURN(const std::vector<uid_t> servers, adit::channel::PossibleServersOf(address));
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);  // the server is ours, and its lists are paged
  ASSIGN_OR_RETURN(adit::UniqueFd connection, adit::channel::ConnectUnix(address, servers));
  // A call that is cut off could mean anything; before it, only one thing.
  if (const absl::Status welcome =
          adit::channel::AwaitWelcome(connection, address, kWelcomePatience);
      !welcome.ok()) {
    return adit::PermissionDenied(adit::MessageOf(welcome) +
                                  " (adit-controlplane's --admin-user says whom it does)");
  }
  return adit::channel::ChannelOver(std::move(connection), arguments);
}

// Ctrl-C ends the call in flight, so that its command can tidy up and say what is known; without
// one it ends the process.
void HandleSignals(adit::cli::Interrupt& interrupt, const sigset_t& signals) {
  std::thread([&interrupt, signals] {
    int number = 0;
    while (sigwait(&signals, &number) == 0) {
      if (!interrupt.Raise()) {
        _exit(static_cast<int>(adit::cli::ExitCode::kInterrupted));
      }
    }
  }).detach();
}

}  // namespace

int main(int argc, char** argv) {
  // Keys of clients pass through here: no core dump may hold one.
  prctl(PR_SET_DUMPABLE, 0);
  if (sodium_init() < 0) {
    std::cerr << "aditctl: libsodium does not start on this machine\n";
    return 1;
  }
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  // Outlives the thread, which lives as long as the process.
  static adit::cli::Interrupt interrupt;
  HandleSignals(interrupt, signals);

  const adit::SystemClock clock;
  adit::SystemRandom random;
  adit::cli::Surroundings world{.out = std::cout,
                                .err = std::cerr,
                                .in = std::cin,
                                .environment = adit::config::SystemEnvironment(),
                                .clock = clock,
                                .random = random,
                                .interrupt = interrupt,
                                .dial = Dial};
  const std::vector<std::string> args(argv + std::min(argc, 1), argv + argc);
  return static_cast<int>(adit::cli::RunAditctl(args, world));
}
