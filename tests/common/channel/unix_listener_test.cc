#include "common/channel/unix_listener.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/channel/unix_dialler.h"
#include "common/status.h"

namespace adit::channel {
namespace {

using ::testing::HasSubstr;

constexpr uid_t kOtherUid = 64099;

class UnixListenerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/adit-channel-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
    ASSERT_EQ(chmod(name, 0750), 0);
    path_ = directory_ + "/a.sock";
    address_ = "unix:" + path_;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<UnixListener> MustOpen(std::vector<uid_t> allowed) {
    auto listener = UnixListener::Open(address_, std::move(allowed));
    EXPECT_TRUE(listener.ok()) << listener.status();
    return listener.ok() ? std::move(*listener) : nullptr;
  }
  absl::Status OpenFails() {
    auto listener = UnixListener::Open(address_, {geteuid()});
    EXPECT_FALSE(listener.ok());
    return listener.status();
  }
  // A socket file nobody listens on.
  void LeaveStaleSocket() const {
    const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    path_.copy(name.sun_path, sizeof name.sun_path - 1);
    ASSERT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
  }

  std::string directory_, path_, address_;
};

// What a connected client sees next: true for bytes, false for the end.
bool ReadsSomething(int fd) {
  pollfd ready{fd, POLLIN, 0};
  EXPECT_EQ(poll(&ready, 1, 5000), 1);
  char byte = 0;
  return read(fd, &byte, 1) == 1;
}

void Greet(UniqueFd connection, const PeerCredentials&) {
  send(connection.get(), "x", 1, MSG_NOSIGNAL);
}

TEST_F(UnixListenerTest, HandsOverConnectionsWithTheCallersUid) {
  auto listener = MustOpen({geteuid()});
  ASSERT_NE(listener, nullptr);
  std::promise<PeerCredentials> seen;
  listener->Start([&](UniqueFd connection, const PeerCredentials& peer) {
    Greet(std::move(connection), peer);
    seen.set_value(peer);
  });
  const uid_t servers[] = {geteuid()};
  auto client = ConnectUnix(address_, servers);
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_TRUE(ReadsSomething(client->get()));
  const PeerCredentials peer = seen.get_future().get();
  EXPECT_EQ(peer.uid, geteuid());
  EXPECT_EQ(peer.pid, getpid());
}

TEST_F(UnixListenerTest, ClosesConnectionsOfOtherUids) {
  auto listener = MustOpen({geteuid() + 1, kOtherUid + 1});
  listener->Start(Greet);
  const uid_t servers[] = {geteuid()};
  auto client = ConnectUnix(address_, servers);
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_FALSE(ReadsSomething(client->get()));
}

TEST_F(UnixListenerTest, TheDiallerTellsThatItIsNotAllowed) {
  const uid_t servers[] = {geteuid()};
  auto listener = MustOpen({geteuid() + 1});
  auto early = ConnectUnix(address_, servers);
  ASSERT_TRUE(early.ok()) << early.status();
  EXPECT_TRUE(AwaitWelcome(*early, address_, milliseconds(1)).ok())
      << "nobody has said anything yet";
  listener->Start(Greet);
  const absl::Status refused = AwaitWelcome(*early, address_, seconds(10));
  EXPECT_TRUE(absl::IsPermissionDenied(refused)) << refused;
  EXPECT_THAT(MessageOf(refused), HasSubstr(fmt::format("does not accept uid {}", geteuid())));

  listener.reset();
  listener = MustOpen({geteuid()});
  listener->Start(Greet);
  auto welcome = ConnectUnix(address_, servers);
  ASSERT_TRUE(welcome.ok()) << welcome.status();
  EXPECT_TRUE(AwaitWelcome(*welcome, address_, seconds(10)).ok());
  EXPECT_TRUE(ReadsSomething(welcome->get())) << "what was looked at is still to be read";
}

TEST_F(UnixListenerTest, AnEmptyListAllowsNobody) {
  auto listener = MustOpen({});
  listener->Start(Greet);
  const uid_t servers[] = {geteuid()};
  auto client = ConnectUnix(address_, servers);
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_FALSE(ReadsSomething(client->get()));
}

// Exit status of a child that connects as `uid`: 0 when it was served.
int ConnectAs(uid_t uid, const std::string& address) {
  const uid_t server = geteuid();
  const pid_t child = fork();
  if (child == 0) {
    if (setgroups(0, nullptr) != 0 || setresuid(uid, uid, uid) != 0) {
      _exit(2);
    }
    const uid_t servers[] = {server};
    auto client = ConnectUnix(address, servers);
    if (!client.ok()) {
      _exit(3);
    }
    pollfd ready{client->get(), POLLIN, 0};
    char byte = 0;
    _exit(poll(&ready, 1, 5000) == 1 && read(client->get(), &byte, 1) == 1 ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(UnixListenerTest, ServesAChildWithAnAllowedUidAndNoOther) {
  ASSERT_EQ(geteuid(), 0U) << "the integration tests run as root";
  auto listener = MustOpen({kOtherUid});
  listener->Start(Greet);
  EXPECT_EQ(ConnectAs(kOtherUid, address_), 0);
  EXPECT_EQ(ConnectAs(kOtherUid + 1, address_), 1);
}

TEST_F(UnixListenerTest, TheDiallerRefusesAServerOfAnotherUid) {
  auto listener = MustOpen({geteuid()});
  const uid_t servers[] = {kOtherUid};
  const auto client = ConnectUnix(address_, servers);
  EXPECT_EQ(client.status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(MessageOf(client.status()), HasSubstr(path_));
  EXPECT_EQ(ConnectUnix(address_, {}).status().code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(UnixListenerTest, ReplacesASocketThatNobodyServes) {
  LeaveStaleSocket();
  auto listener = MustOpen({geteuid()});
  ASSERT_NE(listener, nullptr);
  listener->Start(Greet);
  const uid_t servers[] = {geteuid()};
  auto client = ConnectUnix(address_, servers);
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_TRUE(ReadsSomething(client->get()));
}

TEST_F(UnixListenerTest, LeavesAServedSocketAlone) {
  auto listener = MustOpen({geteuid()});
  listener->Start(Greet);
  const absl::Status status = OpenFails();
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(MessageOf(status), HasSubstr(path_));
  const uid_t servers[] = {geteuid()};
  auto client = ConnectUnix(address_, servers);
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_TRUE(ReadsSomething(client->get()));
}

TEST_F(UnixListenerTest, LeavesAFileThatIsNoSocketAlone) {
  std::ofstream(path_) << "precious";
  EXPECT_EQ(OpenFails().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(std::filesystem::file_size(path_), 8U);
}

TEST_F(UnixListenerTest, SetsModesAndMakesAMissingDirectory) {
  path_ = directory_ + "/made/a.sock";
  address_ = "unix:" + path_;
  auto listener = MustOpen({geteuid()});
  ASSERT_NE(listener, nullptr);
  struct stat status {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0660U);
  ASSERT_EQ(stat((directory_ + "/made").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0750U);
}

TEST_F(UnixListenerTest, RefusesADirectoryOthersMayWriteTo) {
  for (const mode_t mode : {0777U, 01777U, 0770U, 0755U}) {
    ASSERT_EQ(chmod(directory_.c_str(), mode), 0);
    const absl::Status status = OpenFails();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(MessageOf(status), HasSubstr("chmod 0750 " + directory_));
  }
}

TEST_F(UnixListenerTest, RefusesADirectoryOfSomebodyElse) {
  ASSERT_EQ(chown(directory_.c_str(), kOtherUid, 0), 0);
  EXPECT_THAT(MessageOf(OpenFails()), HasSubstr("chown"));
}

TEST_F(UnixListenerTest, RemovesOnlyItsOwnName) {
  MustOpen({geteuid()}).reset();
  EXPECT_FALSE(std::filesystem::exists(path_));

  auto listener = MustOpen({geteuid()});
  std::filesystem::remove(path_);
  std::ofstream(path_) << "another's";
  listener.reset();
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(UnixListenerTest, SaysWhatIsWrongWithAnAddress) {
  for (const char* text : {"", "/run/a.sock", "unix:", "unix:a.sock", "unix:/run/", "tcp:1:2"}) {
    EXPECT_EQ(UnixPathOf(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(MessageOf(UnixPathOf(text).status()), HasSubstr("unix:/")) << text;
  }
  EXPECT_FALSE(UnixPathOf("unix:/" + std::string(107, 'a')).ok());
  EXPECT_TRUE(UnixPathOf("unix:/" + std::string(106, 'a')).ok());
}

TEST_F(UnixListenerTest, TheDiallerSaysWhatIsMissing) {
  const uid_t servers[] = {geteuid()};
  absl::Status status = ConnectUnix(address_, servers).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(MessageOf(status), HasSubstr(path_));
  LeaveStaleSocket();
  status = ConnectUnix(address_, servers).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(MessageOf(status), HasSubstr("nobody listens"));
}

TEST_F(UnixListenerTest, NamesWhoCanServeThere) {
  ASSERT_EQ(chown(directory_.c_str(), kOtherUid, 0), 0);
  auto uids = PossibleServersOf(address_);
  ASSERT_TRUE(uids.ok()) << uids.status();
  EXPECT_THAT(*uids, ::testing::ElementsAre(0U, kOtherUid));
  ASSERT_EQ(chmod(directory_.c_str(), 0777), 0);
  EXPECT_FALSE(PossibleServersOf(address_).ok());
}

}  // namespace
}  // namespace adit::channel
