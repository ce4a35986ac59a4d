#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include "adit/admin/v1/system.grpc.pb.h"
#include "common/channel/unix_dialler.h"
#include "common/channel/unix_listener.h"

namespace adit::channel {
namespace {

class Version final : public admin::v1::SystemService::CallbackService {
 public:
  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const admin::v1::GetStatusRequest*,
                                      admin::v1::Status* status) override {
    status->set_version("7");
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

class GrpcOverUnixTest : public ::testing::Test {
 protected:
  GrpcOverUnixTest() {
    char name[] = "/tmp/adit-channel-XXXXXX";
    EXPECT_NE(mkdtemp(name), nullptr);
    directory_ = name;
    address_ = "unix:" + directory_ + "/a.sock";
  }
  ~GrpcOverUnixTest() override { std::filesystem::remove_all(directory_); }

  grpc::Status Call(std::vector<uid_t> allowed) {
    Version service;
    grpc::ServerBuilder builder;
    builder.RegisterService(&service);
    const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    auto listener = UnixListener::Open(address_, std::move(allowed));
    EXPECT_TRUE(listener.ok()) << listener.status();
    (*listener)->ServeWith(*server);
    const uid_t servers[] = {geteuid()};
    const auto channel = DialUnix(address_, servers);
    EXPECT_TRUE(channel.ok()) << channel.status();
    const auto stub = admin::v1::SystemService::NewStub(*channel);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
    const grpc::Status status = stub->GetStatus(&context, {}, &answer_);
    listener->reset();
    server->Shutdown(std::chrono::system_clock::now());
    return status;
  }

  std::string directory_, address_;
  admin::v1::Status answer_;
};

TEST_F(GrpcOverUnixTest, AnAllowedCallerIsServed) {
  const grpc::Status status = Call({geteuid()});
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(answer_.version(), "7");
}

TEST_F(GrpcOverUnixTest, AnotherCallerIsUnavailable) {
  EXPECT_EQ(Call({geteuid() + 1}).error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace adit::channel
