#pragma once

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

#include <grpcpp/channel.h>
#include <gtest/gtest.h>

#include "adit/admin/v1/node.grpc.pb.h"
#include "adit/admin/v1/peer.grpc.pb.h"
#include "adit/admin/v1/policy.grpc.pb.h"
#include "adit/admin/v1/resource.grpc.pb.h"
#include "adit/admin/v1/system.grpc.pb.h"
#include "common/channel/unix_dialler.h"
#include "common/random.h"
#include "common/time.h"
#include "controlplane/rpc/hub_servers.h"
#include "controlplane/store/sqlite_store.h"
#include "fake_dataplane.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace adit::hub {

// A hub with its store and both sockets in a directory of its own, and stubs of its admin API.
class HubFixture : public ::testing::Test {
 protected:
  HubFixture() {
    char name[] = "/tmp/adit-hub-XXXXXX";
    EXPECT_NE(mkdtemp(name), nullptr);
    directory_ = name;
  }
  ~HubFixture() override {
    StopHub();
    std::filesystem::remove_all(directory_);
  }

  [[nodiscard]] std::string admin_address() const { return "unix:" + directory_ + "/s/admin"; }
  [[nodiscard]] std::string dataplane_address() const { return "unix:" + directory_ + "/s/dp"; }

  void StartHub() {
    auto store = store::SqliteStore::Open(directory_ + "/adit.db", random_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = std::move(*store);
    auto stored = store_->Load();
    ASSERT_TRUE(stored.ok()) << stored.status();
    auto state = model::State::Create(model::Network(), std::move(*stored));
    ASSERT_TRUE(state.ok()) << state.status();
    auto servers =
        HubServers::Start({admin_address(), {geteuid()}, dataplane_address(), {geteuid()}}, clock_,
                          *store_, std::move(*state), limits_);
    ASSERT_TRUE(servers.ok()) << servers.status();
    servers_ = std::move(*servers);
    const uid_t uids[] = {geteuid()};
    channel_ = channel::DialUnix(admin_address(), uids).value();
    nodes_ = admin::v1::NodeService::NewStub(channel_);
    peers_ = admin::v1::PeerService::NewStub(channel_);
    resources_ = admin::v1::ResourceService::NewStub(channel_);
    policies_ = admin::v1::PolicyService::NewStub(channel_);
    system_ = admin::v1::SystemService::NewStub(channel_);
  }
  void StopHub() {
    servers_.reset();
    store_.reset();
  }

  // Calls one method, with a deadline.
  template <typename Stub, typename Method, typename Request, typename Response>
  grpc::Status Call(Stub& stub, Method method, const Request& request, Response* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    response->Clear();
    return (stub.get()->*method)(&context, request, response);
  }

  // A data plane that has connected and is up to date.
  std::unique_ptr<FakeDataplane> Connect(const FakeDataplane::Identity& identity = {},
                                         FakeDataplane::View view = {}) {
    auto dataplane = std::make_unique<FakeDataplane>(dataplane_address());
    dataplane->SayHello(identity, std::move(view));
    EXPECT_TRUE(dataplane->WaitUntil([](const auto& seen) {
      return seen.is_over || (seen.pings > 0 && seen.view.revision > 0);
    }));
    return dataplane;
  }

  static std::string KeyText(char c) {
    const std::string bytes(32, c);
    return PublicKey::FromBytes({reinterpret_cast<const std::uint8_t*>(bytes.data()), 32})
        .value()
        .ToBase64();
  }

  admin::v1::PeerMutation MustCreatePeer(const std::string& name, char key) {
    admin::v1::CreatePeerRequest request;
    request.mutable_peer()->set_name(name);
    request.mutable_peer()->set_public_key(KeyText(key));
    admin::v1::PeerMutation response;
    const grpc::Status status =
        Call(peers_, &admin::v1::PeerService::Stub::CreatePeer, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  admin::v1::ResourceMutation MustCreateResource(const std::string& name, const std::string& cidr) {
    admin::v1::CreateResourceRequest request;
    request.mutable_resource()->set_name(name);
    request.mutable_resource()->add_cidrs(cidr);
    request.mutable_resource()->set_allow_all(true);
    admin::v1::ResourceMutation response;
    const grpc::Status status =
        Call(resources_, &admin::v1::ResourceService::Stub::CreateResource, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  admin::v1::PolicyMutation MustCreatePolicy(const std::string& name, const std::string& peer,
                                             const std::string& resource) {
    admin::v1::CreatePolicyRequest request;
    request.mutable_policy()->set_name(name);
    request.mutable_policy()->add_peers(peer);
    request.mutable_policy()->add_resources(resource);
    admin::v1::PolicyMutation response;
    const grpc::Status status =
        Call(policies_, &admin::v1::PolicyService::Stub::CreatePolicy, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  // The call may end in any way: the caller looks.
  grpc::Status SetDisabled(const std::string& policy, bool is_disabled,
                           admin::v1::PolicyMutation* response, std::uint32_t wait_ms = 0) {
    admin::v1::UpdatePolicyRequest request;
    request.mutable_policy()->set_name(policy);
    request.mutable_policy()->set_disabled(is_disabled);
    request.mutable_update_mask()->add_paths("disabled");
    request.mutable_options()->set_wait_ms(wait_ms);
    return Call(policies_, &admin::v1::PolicyService::Stub::UpdatePolicy, request, response);
  }
  admin::v1::Node MustGetNode(const std::string& name) {
    admin::v1::GetNodeRequest request;
    request.set_name(name);
    admin::v1::Node node;
    const grpc::Status status =
        Call(nodes_, &admin::v1::NodeService::Stub::GetNode, request, &node);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return node;
  }
  // Waits, through WatchNodes, until the node is as wanted.
  testing::AssertionResult NodeBecomes(const std::string& name,
                                       const std::function<bool(const admin::v1::Node&)>& wanted) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    const auto reader = nodes_->WatchNodes(&context, {});
    admin::v1::Node node;
    while (reader->Read(&node)) {
      if (node.name() == name && wanted(node)) {
        context.TryCancel();
        reader->Finish();
        return testing::AssertionSuccess();
      }
    }
    return testing::AssertionFailure() << reader->Finish().error_message() << node.DebugString();
  }
  testing::AssertionResult NodeBecomes(const std::string& name, admin::v1::Node::State state) {
    return NodeBecomes(name, [state](const auto& node) { return node.state() == state; });
  }

  static google::rpc::Status DetailsOf(const grpc::Status& status) {
    google::rpc::Status details;
    EXPECT_TRUE(details.ParseFromString(status.error_details()));
    return details;
  }
  static google::rpc::ErrorInfo InfoOf(const grpc::Status& status) {
    google::rpc::ErrorInfo info;
    const google::rpc::Status details = DetailsOf(status);
    for (const auto& any : details.details()) {
      any.UnpackTo(&info);
    }
    return info;
  }
  static google::rpc::BadRequest ViolationsOf(const grpc::Status& status) {
    google::rpc::BadRequest bad_request;
    const google::rpc::Status details = DetailsOf(status);
    for (const auto& any : details.details()) {
      any.UnpackTo(&bad_request);
    }
    return bad_request;
  }

  std::string directory_;
  SystemClock clock_;
  SystemRandom random_;
  HubLimits limits_;
  std::unique_ptr<store::SqliteStore> store_;
  std::unique_ptr<HubServers> servers_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<admin::v1::NodeService::Stub> nodes_;
  std::unique_ptr<admin::v1::PeerService::Stub> peers_;
  std::unique_ptr<admin::v1::ResourceService::Stub> resources_;
  std::unique_ptr<admin::v1::PolicyService::Stub> policies_;
  std::unique_ptr<admin::v1::SystemService::Stub> system_;
};

}  // namespace adit::hub
