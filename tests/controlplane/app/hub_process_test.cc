// The program itself: what it refuses to start with, and how it stops.
#include "hub_process.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>

#include "adit/admin/v1/system.grpc.pb.h"
#include "common/channel/unix_dialler.h"

namespace adit::app {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class HubProcessTest : public ::testing::Test {
 protected:
  HubProcessTest() {
    EXPECT_EQ(geteuid(), 0U) << "the integration tests run as root";
    char name[] = "/tmp/adit-hub-process-XXXXXX";
    EXPECT_NE(mkdtemp(name), nullptr);
    directory_ = name;
    EXPECT_EQ(chmod(name, 0755), 0);
    for (const char* part : {"/sock", "/store"}) {
      std::filesystem::create_directory(directory_ + part);
      EXPECT_EQ(chmod((directory_ + part).c_str(), 0750), 0);
      EXPECT_EQ(chown((directory_ + part).c_str(), kControlplaneUid, kControlplaneUid), 0);
    }
    EXPECT_EQ(chmod((directory_ + "/store").c_str(), 0700), 0);
  }
  ~HubProcessTest() override { std::filesystem::remove_all(directory_); }

  [[nodiscard]] std::string store() const { return directory_ + "/store/adit.db"; }
  [[nodiscard]] std::vector<std::string> Flags(std::vector<std::string> more = {}) const {
    std::vector<std::string> flags = {"--store",
                                      "sqlite:" + store(),
                                      "--admin-listen",
                                      "unix:" + directory_ + "/sock/admin.sock",
                                      "--dataplane-listen",
                                      "unix:" + directory_ + "/sock/dataplane.sock",
                                      "--dataplane-user",
                                      "64061"};
    flags.insert(flags.end(), more.begin(), more.end());
    return flags;
  }
  // What a start that must fail says.
  std::string Fails(std::vector<std::string> flags, const HubProcess::Privileges& privileges = {}) {
    HubProcess process(std::move(flags), privileges);
    EXPECT_EQ(process.Wait(), 1) << process.text();
    return process.text();
  }
  grpc::Status GetStatus(admin::v1::Status* status) const {
    const uid_t servers[] = {kControlplaneUid};
    const auto channel = channel::DialUnix("unix:" + directory_ + "/sock/admin.sock", servers);
    EXPECT_TRUE(channel.ok()) << channel.status();
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    return admin::v1::SystemService::NewStub(*channel)->GetStatus(&context, {}, status);
  }

  std::string directory_;
};

TEST_F(HubProcessTest, ServesAsItsOwnUserAndStopsWithinASecond) {
  HubProcess process(Flags());
  ASSERT_TRUE(process.Says("ready")) << process.text();
  admin::v1::Status status;
  ASSERT_TRUE(GetStatus(&status).ok());
  EXPECT_EQ(status.store(), "sqlite:" + store());
  // A call that waits does not delay the end.
  const auto began = std::chrono::steady_clock::now();
  process.Signal(SIGTERM);
  EXPECT_EQ(process.Wait(), 0) << process.text();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(1));
  EXPECT_THAT(process.text(), Not(HasSubstr("WARN")));
  EXPECT_TRUE(std::filesystem::is_empty(directory_ + "/sock"));
}

TEST_F(HubProcessTest, HasNoPrivilegesAndIsNotDumpable) {
  HubProcess process(Flags());
  ASSERT_TRUE(process.Says("ready")) << process.text();
  const std::string proc = "/proc/" + std::to_string(process.pid());
  std::ifstream in(proc + "/status");
  const std::string status{std::istreambuf_iterator<char>(in), {}};
  for (const char* line : {"CapPrm:\t0000000000000000", "CapEff:\t0000000000000000",
                           "CapAmb:\t0000000000000000", "NoNewPrivs:\t1"}) {
    EXPECT_THAT(status, HasSubstr(line));
  }
  struct stat environ {};
  ASSERT_EQ(stat((proc + "/environ").c_str(), &environ), 0);
  EXPECT_EQ(environ.st_uid, 0U);
}

TEST_F(HubProcessTest, RefusesRootAndCapabilities) {
  EXPECT_THAT(Fails(Flags(), {.uid = 0}), HasSubstr("--allow-root"));
  EXPECT_THAT(Fails(Flags({"--allow-root"}), {.uid = 0}), HasSubstr("capabilit"));
  EXPECT_THAT(Fails(Flags(), {.uid = kControlplaneUid, .has_net_admin = true}),
              HasSubstr("capabilit"));
  EXPECT_FALSE(std::filesystem::exists(store()));
}

TEST_F(HubProcessTest, ASecondOneOnTheSameStoreOrSocketsIsRefused) {
  HubProcess first(Flags());
  ASSERT_TRUE(first.Says("ready")) << first.text();
  EXPECT_THAT(Fails(Flags()), HasSubstr(store()));
  std::vector<std::string> other = Flags();
  other[1] = "sqlite:" + directory_ + "/store/other.db";
  EXPECT_THAT(Fails(other), HasSubstr("another process serves " + directory_ + "/sock/admin.sock"));
  admin::v1::Status status;
  EXPECT_TRUE(GetStatus(&status).ok());
}

TEST_F(HubProcessTest, AKilledOnesSocketsAndStoreAreTakenOver) {
  {
    HubProcess killed(Flags());
    ASSERT_TRUE(killed.Says("ready")) << killed.text();
    killed.Signal(SIGKILL);
    EXPECT_EQ(killed.Wait(), -SIGKILL);
  }
  EXPECT_TRUE(std::filesystem::exists(directory_ + "/sock/admin.sock"));
  HubProcess process(Flags());
  EXPECT_TRUE(process.Says("ready")) << process.text();
}

TEST_F(HubProcessTest, AStoreItCannotReadIsLeftAsItIs) {
  std::ofstream(store()) << std::string(8192, 'x');
  EXPECT_EQ(chown(store().c_str(), kControlplaneUid, kControlplaneUid), 0);
  EXPECT_EQ(chmod(store().c_str(), 0600), 0);
  EXPECT_THAT(Fails(Flags()), HasSubstr(store()));
  EXPECT_EQ(std::filesystem::file_size(store()), 8192U);
}

TEST_F(HubProcessTest, ANewerStoreIsRefused) {
  {
    HubProcess process(Flags());
    ASSERT_TRUE(process.Says("ready")) << process.text();
    process.Signal(SIGTERM);
    EXPECT_EQ(process.Wait(), 0);
  }
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(store().c_str(), &database), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(database, "PRAGMA user_version = 9999", nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(database);
  EXPECT_THAT(Fails(Flags()), HasSubstr("update adit-controlplane"));
}

TEST_F(HubProcessTest, DirectoriesItCannotUseAreNamed) {
  std::vector<std::string> flags = Flags();
  flags[1] = "sqlite:" + directory_ + "/adit.db";  // root's directory
  EXPECT_THAT(Fails(flags), HasSubstr(directory_));
  EXPECT_EQ(chmod((directory_ + "/sock").c_str(), 0777), 0);
  EXPECT_THAT(Fails(Flags()), HasSubstr("chmod 0750 " + directory_ + "/sock"));
}

TEST_F(HubProcessTest, SighupReadsTheLogLevelAgainAndNothingElse) {
  const std::string config = directory_ + "/config.yaml";
  std::ofstream(config) << "log-level: info\n";
  HubProcess process(Flags({"--config", config}));
  ASSERT_TRUE(process.Says("ready")) << process.text();
  std::ofstream(config) << "log-level: debug\ntunnel-range: [10.8.0.0/16]\n";
  process.Signal(SIGHUP);
  EXPECT_TRUE(process.Says("changed log-level")) << process.text();
  EXPECT_TRUE(process.Says("tunnel-range has changed too: that needs a restart")) << process.text();
  std::ofstream(config) << "log-level: [nonsense\n";
  process.Signal(SIGHUP);
  EXPECT_TRUE(process.Says("nothing was taken over")) << process.text();
  admin::v1::Status status;
  EXPECT_TRUE(GetStatus(&status).ok());
}

}  // namespace
}  // namespace adit::app
