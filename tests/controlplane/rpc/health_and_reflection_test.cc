// What ready-made tools ask of the admin socket. The two protocols are spoken by hand, a few bytes
// each (grpc.health.v1, grpc.reflection.v1alpha).
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>

#include "hub_fixture.h"

namespace adit::hub {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

grpc::ByteBuffer BufferOf(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return {&slice, 1};
}

std::string BytesOf(const grpc::ByteBuffer& buffer) {
  grpc::Slice slice;
  EXPECT_TRUE(buffer.DumpToSingleSlice(&slice).ok());
  return {reinterpret_cast<const char*>(slice.begin()), slice.size()};
}

// A message with one string field.
std::string WithString(int field, const std::string& text) {
  return std::string{static_cast<char>(field << 3 | 2), static_cast<char>(text.size())} + text;
}

class HealthAndReflectionTest : public HubFixture {
 protected:
  HealthAndReflectionTest() { StartHub(); }

  // One message each way on a stream or a unary call, which look alike to a client.
  grpc::Status Ask(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                   const std::string& request, std::string* answer) {
    grpc::GenericStub stub(channel);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    grpc::CompletionQueue queue;
    const auto call = stub.PrepareCall(&context, method, &queue);
    const auto done = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      return queue.Next(&tag, &ok) && ok;
    };
    grpc::ByteBuffer response;
    call->StartCall(nullptr);
    if (done()) {
      call->WriteLast(BufferOf(request), grpc::WriteOptions(), nullptr);
      done();
      call->Read(&response, nullptr);
      if (done()) {
        *answer = BytesOf(response);
      }
    }
    grpc::Status status;
    call->Finish(&status, nullptr);
    done();
    return status;
  }
};

TEST_F(HealthAndReflectionTest, LivenessAndReadinessAreServices) {
  for (const char* service : {"liveness", "readiness"}) {
    std::string answer;
    ASSERT_TRUE(
        Ask(channel_, "/grpc.health.v1.Health/Check", WithString(1, service), &answer).ok());
    EXPECT_EQ(answer, std::string("\x08\x01"));  // status: SERVING
  }
  std::string answer;
  EXPECT_EQ(
      Ask(channel_, "/grpc.health.v1.Health/Check", WithString(1, "none"), &answer).error_code(),
      grpc::StatusCode::NOT_FOUND);
}

TEST_F(HealthAndReflectionTest, ReflectionListsTheServices) {
  std::string answer;
  ASSERT_TRUE(Ask(channel_, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                  WithString(7, "*"), &answer)
                  .ok());
  for (const char* service : {"Node", "Peer", "Resource", "Policy", "System"}) {
    EXPECT_THAT(answer, HasSubstr("adit.admin.v1." + std::string(service) + "Service"));
  }
  EXPECT_THAT(answer, Not(HasSubstr("DataplaneControl")));
}

TEST_F(HealthAndReflectionTest, TheDataPlanesSocketServesTheChannelAndNothingElse) {
  const uid_t servers[] = {geteuid()};
  const auto channel = channel::DialUnix(dataplane_address(), servers).value();
  for (const char* method : {"/grpc.health.v1.Health/Check",
                             "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                             "/adit.admin.v1.PeerService/ListPeers"}) {
    std::string answer;
    EXPECT_EQ(Ask(channel, method, "", &answer).error_code(), grpc::StatusCode::UNIMPLEMENTED)
        << method;
  }
  std::string answer;
  EXPECT_EQ(Ask(channel_, "/adit.dataplane.v1.DataplaneControl/Sync", "", &answer).error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
}

}  // namespace
}  // namespace adit::hub
