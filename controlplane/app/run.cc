#include "controlplane/app/run.h"

#include <pthread.h>

#include <csignal>

#include <fmt/format.h>

#include "common/log.h"
#include "common/random.h"
#include "common/status.h"
#include "common/time.h"
#include "controlplane/app/privileges.h"
#include "controlplane/model/state.h"
#include "controlplane/rpc/hub_servers.h"
#include "controlplane/store/sqlite_store.h"

namespace adit::app {
namespace {

// Blocked before any thread starts, so that only Wait takes them.
absl::StatusOr<sigset_t> BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    sigaddset(&signals, number);
  }
  if (const int error = pthread_sigmask(SIG_BLOCK, &signals, nullptr); error != 0) {
    return ErrnoStatus(error, "block signals");
  }
  std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

void Reload(config::Parser& parser, const HubFlags& flags, hub::HubServers& servers) {
  const absl::StatusOr<config::Reloaded> reloaded = parser.Reload();
  if (!reloaded.ok()) {
    LOG_ERROR("nothing was taken over: {}", MessageOf(reloaded.status()));
    return;
  }
  if (absl::Status status = SetLogLevel(flags.log_level); !status.ok()) {
    LOG_ERROR("{}", MessageOf(status));
  }
  servers.SetStatsInterval(StatsSecondsOf(flags));
  LOG_INFO("read the configuration again: changed {}",
           reloaded->applied.empty() ? "nothing"
                                     : fmt::format("{}", fmt::join(reloaded->applied, ", ")));
  for (const std::string& key : reloaded->needs_restart) {
    LOG_INFO("{} has changed too: that needs a restart", key);
  }
}

}  // namespace

absl::Status Run(config::Parser& parser, HubFlags& flags) {
  RETURN_IF_ERROR(RefusePrivileges(flags.is_root_allowed));
  RETURN_IF_ERROR(InitLog("adit-controlplane", flags.log_level));
  ASSIGN_OR_RETURN(const std::string path, SqlitePathOf(flags));
  ASSIGN_OR_RETURN(const hub::HubSockets sockets, SocketsOf(flags));
  ASSIGN_OR_RETURN(const model::Network network, NetworkOf(flags));
  ASSIGN_OR_RETURN(const sigset_t signals, BlockSignals());

  const SystemClock clock;
  SystemRandom random;
  ASSIGN_OR_RETURN(const std::unique_ptr<store::SqliteStore> store,
                   store::SqliteStore::Open(path, random));
  ASSIGN_OR_RETURN(model::StoredState stored, store->Load());
  ASSIGN_OR_RETURN(model::State state, model::State::Create(network, std::move(stored)));
  const std::uint64_t revision = state.revision();
  hub::HubLimits limits;
  limits.dataplane.stats_interval_seconds = StatsSecondsOf(flags);
  ASSIGN_OR_RETURN(const std::unique_ptr<hub::HubServers> servers,
                   hub::HubServers::Start(sockets, clock, *store, std::move(state), limits));
  LOG_INFO("ready: {} at revision {}, administrators at {}, data planes at {}", store->Describe(),
           revision, sockets.admin_address, sockets.dataplane_address);

  int number = 0;
  while (sigwait(&signals, &number) != 0 || number == SIGHUP) {
    Reload(parser, flags, *servers);
  }
  LOG_INFO("stopping");
  servers->Stop();
  return absl::OkStatus();
}

}  // namespace adit::app
