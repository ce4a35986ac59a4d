#include "dataplane/uapi/server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "tests/dataplane/uapi/fake_device.h"

namespace adit::uapi {
namespace {

// A directory of this test's own, and a server in it.
class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    std::string pattern = ::testing::TempDir() + "/adit-uapi-XXXXXX";
    root_ = mkdtemp(pattern.data());
    directory_ = root_ + "/wireguard";
  }
  ~ServerTest() override {
    Stop();
    (void)unlink(path().c_str());
    (void)rmdir(directory_.c_str());
    (void)rmdir(root_.c_str());
  }

  [[nodiscard]] std::string path() const { return directory_ + "/wg7.sock"; }

  void Start() {
    auto listener = Listener::Open("wg7", directory_);
    ASSERT_TRUE(listener.ok()) << listener.status();
    auto server = Server::Make(std::move(*listener), device_, {}, [this] { gone_.set_value(); });
    ASSERT_TRUE(server.ok());
    server_ = std::move(*server);
    thread_ = std::thread([this] { server_->Run(); });
  }
  void Stop() {
    if (thread_.joinable()) {
      server_->RequestStop();
      thread_.join();
    }
    server_.reset();
  }

  [[nodiscard]] UniqueFd Connect() const {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path().data(), path().size());
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    return fd;
  }
  static void Say(const UniqueFd& fd, const std::string& text) {
    ASSERT_EQ(write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  // Reads so many bytes, or to the end.
  static std::string Hear(const UniqueFd& fd, std::size_t size) {
    std::string heard(size, 0);
    std::size_t at = 0;
    while (at < size) {
      const ssize_t got = read(fd.get(), heard.data() + at, size - at);
      if (got <= 0) {
        break;
      }
      at += static_cast<std::size_t>(got);
    }
    heard.resize(at);
    return heard;
  }

  std::string root_;
  std::string directory_;
  FakeDevice device_;
  std::promise<void> gone_;
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

constexpr std::string_view kOk = "errno=0\n\n";

TEST_F(ServerTest, KeepsDirectoryAndSocketToItsUser) {
  Start();
  struct stat status {};
  ASSERT_EQ(stat(directory_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700U);
  ASSERT_EQ(stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST_F(ServerTest, AnswersRequestsOnOneConnectionInTurn) {
  Start();
  const UniqueFd fd = Connect();
  std::string many;
  for (int i = 0; i < 500; ++i) {
    many += i % 2 == 0 ? "get=1\n\n" : "set=1\nlisten_port=9\n\n";
  }
  Say(fd, many);
  std::string expected;
  for (int i = 0; i < 500; ++i) {
    expected += kOk;
  }
  EXPECT_EQ(Hear(fd, expected.size()), expected);
  EXPECT_EQ(device_.applied.size(), 250U);
}

TEST_F(ServerTest, AnswersARequestThatTheEndOfTheStreamEnds) {
  Start();
  const UniqueFd fd = Connect();
  Say(fd, "set=1\nlisten_port=9\n");
  ASSERT_EQ(shutdown(fd.get(), SHUT_WR), 0);
  EXPECT_EQ(Hear(fd, 1000), kOk);
}

TEST_F(ServerTest, ServesOthersWhileACallerStaysSilent) {
  Start();
  const UniqueFd silent = Connect();
  Say(silent, "set=1\nlisten_");
  const UniqueFd other = Connect();
  Say(other, "get=1\n\n");
  EXPECT_EQ(Hear(other, kOk.size()), kOk);
}

TEST_F(ServerTest, SurvivesCallersThatLeaveInTheMiddle) {
  device_.report.peers.resize(5000);
  Start();
  for (int i = 0; i < 20; ++i) {
    const UniqueFd fd = Connect();
    Say(fd, i % 2 == 0 ? "get=1\n\n" : "set=1\nprivate_k");
  }
  const UniqueFd last = Connect();
  Say(last, "get=1\n\n");
  ASSERT_EQ(shutdown(last.get(), SHUT_WR), 0);
  const std::string answer = Hear(last, std::size_t{10} << 20);
  EXPECT_TRUE(answer.starts_with("public_key=")) << answer.substr(0, 100);
  EXPECT_TRUE(answer.ends_with(kOk));
}

TEST_F(ServerTest, SaysWhenItsSocketIsRemoved) {
  Start();
  ASSERT_EQ(unlink(path().c_str()), 0);
  gone_.get_future().wait();
}

TEST_F(ServerTest, RemovesItsSocketAtTheEndAndNoOther) {
  Start();
  Stop();
  EXPECT_NE(::access(path().c_str(), F_OK), 0);

  auto listener = Listener::Open("wg7", directory_);
  ASSERT_TRUE(listener.ok());
  ASSERT_EQ(unlink(path().c_str()), 0);
  const UniqueFd other(open(path().c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  EXPECT_FALSE((*listener)->IsInPlace());
  listener->reset();
  EXPECT_EQ(::access(path().c_str(), F_OK), 0);
}

TEST_F(ServerTest, RefusesASecondDeviceOfTheSameName) {
  Start();
  const auto second = Listener::Open("wg7", directory_);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(ServerTest, ReplacesTheSocketOfADeadDevice) {
  {
    auto listener = Listener::Open("wg7", directory_);
    ASSERT_TRUE(listener.ok());
    // A process that is killed leaves the name behind.
    ASSERT_EQ(rename(path().c_str(), (path() + ".kept").c_str()), 0);
  }
  ASSERT_EQ(rename((path() + ".kept").c_str(), path().c_str()), 0);
  EXPECT_TRUE(Listener::Open("wg7", directory_).ok());
}

TEST_F(ServerTest, RefusesADirectoryThatOthersCanWriteTo) {
  ASSERT_EQ(mkdir(directory_.c_str(), 0777), 0);
  ASSERT_EQ(chmod(directory_.c_str(), 0777), 0);
  const auto listener = Listener::Open("wg7", directory_);
  EXPECT_EQ(listener.status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace adit::uapi
