// The manners of the admin API: refusals, etags, masks, pages, request ids, health and reflection.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include "hub_fixture.h"

namespace adit::hub {
namespace {

using admin::v1::PeerService;
using admin::v1::PolicyService;
using admin::v1::ResourceService;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class AdminApiTest : public HubFixture {
 protected:
  AdminApiTest() {
    StartHub();
    dataplane_ = Connect();
  }

  grpc::Status Create(admin::v1::CreateResourceRequest request) {
    return Call(resources_, &ResourceService::Stub::CreateResource, request, &resource_);
  }
  static admin::v1::CreateResourceRequest Wiki() {
    admin::v1::CreateResourceRequest request;
    request.mutable_resource()->set_name("wiki");
    request.mutable_resource()->add_cidrs("10.1.0.10");
    request.mutable_resource()->set_allow_all(true);
    return request;
  }

  std::unique_ptr<FakeDataplane> dataplane_;
  admin::v1::ResourceMutation resource_;
};

TEST_F(AdminApiTest, EveryWrongFieldIsNamed) {
  admin::v1::CreateResourceRequest request;
  request.mutable_resource()->set_name("Wiki!");
  request.mutable_resource()->add_cidrs("10.1.0.300");
  const grpc::Status status = Create(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  std::vector<std::string> fields;
  const google::rpc::BadRequest bad_request = ViolationsOf(status);
  for (const auto& violation : bad_request.field_violations()) {
    EXPECT_FALSE(violation.description().empty());
    fields.push_back(violation.field());
  }
  EXPECT_THAT(fields, testing::IsSupersetOf({"name", "cidrs[0]"}));
  EXPECT_EQ(InfoOf(status).domain(), "adit");
  EXPECT_EQ(InfoOf(status).reason(), "INVALID_FIELDS");
  EXPECT_EQ(DetailsOf(status).message(), status.error_message());
}

TEST_F(AdminApiTest, AResourceWithoutAnAllowIsRefused) {
  admin::v1::CreateResourceRequest request = Wiki();
  request.mutable_resource()->set_allow_all(false);
  EXPECT_EQ(Create(request).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(AdminApiTest, WhatIsThereIsNotMadeTwiceAndWhatIsNotIsNotFound) {
  ASSERT_TRUE(Create(Wiki()).ok());
  const grpc::Status again = Create(Wiki());
  EXPECT_EQ(again.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(InfoOf(again).reason(), "ALREADY_EXISTS");
  admin::v1::GetResourceRequest request;
  request.set_name("none");
  admin::v1::Resource response;
  const grpc::Status missing =
      Call(resources_, &ResourceService::Stub::GetResource, request, &response);
  EXPECT_EQ(missing.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(missing.error_message(), HasSubstr("none"));
}

TEST_F(AdminApiTest, AnEtagThatDoesNotMatchChangesNothing) {
  ASSERT_TRUE(Create(Wiki()).ok());
  admin::v1::UpdateResourceRequest request;
  request.mutable_resource()->set_name("wiki");
  request.mutable_resource()->set_etag("12345");
  request.mutable_resource()->set_nat(false);
  const grpc::Status status =
      Call(resources_, &ResourceService::Stub::UpdateResource, request, &resource_);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(InfoOf(status).reason(), "ETAG_MISMATCH");

  admin::v1::GetResourceRequest get;
  get.set_name("wiki");
  admin::v1::Resource stored;
  ASSERT_TRUE(Call(resources_, &ResourceService::Stub::GetResource, get, &stored).ok());
  EXPECT_TRUE(stored.nat());
  request.mutable_resource()->set_etag(stored.etag());
  ASSERT_TRUE(Call(resources_, &ResourceService::Stub::UpdateResource, request, &resource_).ok());
  EXPECT_FALSE(resource_.resource().nat());
  EXPECT_NE(resource_.resource().etag(), stored.etag());
}

TEST_F(AdminApiTest, ValidateOnlyChecksAndStoresNothing) {
  admin::v1::CreateResourceRequest request = Wiki();
  request.mutable_options()->set_validate_only(true);
  ASSERT_TRUE(Create(request).ok());
  EXPECT_TRUE(resource_.result().validate_only());
  EXPECT_EQ(resource_.result().revision(), 0U);
  EXPECT_EQ(resource_.resource().cidrs(0), "10.1.0.10/32");
  admin::v1::ListResourcesResponse all;
  ASSERT_TRUE(Call(resources_, &ResourceService::Stub::ListResources,
                   admin::v1::ListResourcesRequest(), &all)
                  .ok());
  EXPECT_THAT(all.resources(), SizeIs(0));
  request.mutable_resource()->clear_cidrs();
  EXPECT_EQ(Create(request).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(AdminApiTest, AnUpdateMaskNamesWhatMayBeChanged) {
  ASSERT_TRUE(Create(Wiki()).ok());
  admin::v1::UpdateResourceRequest request;
  request.mutable_resource()->set_name("wiki");
  request.mutable_update_mask()->add_paths("created_unix_ns");
  grpc::Status status =
      Call(resources_, &ResourceService::Stub::UpdateResource, request, &resource_);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ViolationsOf(status).field_violations(0).field(), "update_mask");
  request.clear_update_mask();
  status = Call(resources_, &ResourceService::Stub::UpdateResource, request, &resource_);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << "nothing to update";

  // Without a mask what is there is meant; with one, only what it names.
  request.mutable_resource()->add_cidrs("10.2.0.0/16");
  request.mutable_resource()->set_nat(false);
  request.mutable_update_mask()->add_paths("cidrs");
  ASSERT_TRUE(Call(resources_, &ResourceService::Stub::UpdateResource, request, &resource_).ok());
  EXPECT_EQ(resource_.resource().cidrs(0), "10.2.0.0/16");
  EXPECT_TRUE(resource_.resource().nat());
  request.clear_update_mask();
  ASSERT_TRUE(Call(resources_, &ResourceService::Stub::UpdateResource, request, &resource_).ok());
  EXPECT_FALSE(resource_.resource().nat());
}

TEST_F(AdminApiTest, ListsComeInPages) {
  for (const char* name : {"a", "b", "c", "d", "e"}) {
    MustCreateResource(name, std::string("10.9.0.") + std::to_string(name[0]));
  }
  admin::v1::ListResourcesRequest request;
  request.set_page_size(2);
  std::string names;
  int pages = 0;
  admin::v1::ListResourcesResponse page;
  do {
    ASSERT_TRUE(Call(resources_, &ResourceService::Stub::ListResources, request, &page).ok());
    EXPECT_LE(page.resources_size(), 2);
    for (const auto& resource : page.resources()) {
      names += resource.name();
    }
    request.set_page_token(page.next_page_token());
    ++pages;
  } while (!page.next_page_token().empty());
  EXPECT_EQ(names, "abcde");
  EXPECT_EQ(pages, 3);
  request.set_page_token("c");
  const grpc::Status status =
      Call(resources_, &ResourceService::Stub::ListResources, request, &page);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ViolationsOf(status).field_violations(0).field(), "page_token");
}

TEST_F(AdminApiTest, ARepeatedRequestIsNotDoneTwice) {
  admin::v1::CreateResourceRequest request = Wiki();
  request.mutable_options()->set_request_id("b1f5a1b2-0000-4000-8000-000000000001");
  ASSERT_TRUE(Create(request).ok());
  const admin::v1::ResourceMutation first = resource_;
  ASSERT_TRUE(Create(request).ok());
  EXPECT_EQ(resource_.SerializeAsString(), first.SerializeAsString());
  EXPECT_EQ(resource_.result().nodes(0).state(), admin::v1::NodeOutcome::ACKED);

  request.mutable_resource()->set_name("other");
  const grpc::Status reused = Create(request);
  EXPECT_EQ(reused.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ViolationsOf(reused).field_violations(0).field(), "options.request_id");
}

TEST_F(AdminApiTest, APresharedKeyIsOnlyInExports) {
  admin::v1::CreatePeerRequest request;
  request.mutable_peer()->set_name("alice");
  request.mutable_peer()->set_public_key(KeyText('a'));
  request.set_preshared_key(KeyText('p'));
  admin::v1::PeerMutation created;
  ASSERT_TRUE(Call(peers_, &PeerService::Stub::CreatePeer, request, &created).ok());
  EXPECT_EQ(created.export_().preshared_key(), KeyText('p'));
  EXPECT_TRUE(created.peer().has_preshared_key());
  EXPECT_EQ(created.peer().SerializeAsString().find(KeyText('p')), std::string::npos);

  admin::v1::GetPeerRequest get;
  get.set_name("alice");
  admin::v1::Peer peer;
  ASSERT_TRUE(Call(peers_, &PeerService::Stub::GetPeer, get, &peer).ok());
  EXPECT_TRUE(peer.has_preshared_key());
  EXPECT_EQ(peer.SerializeAsString().find(KeyText('p')), std::string::npos);
  admin::v1::ExportPeerRequest request_export;
  request_export.set_name("alice");
  admin::v1::PeerExport exported;
  ASSERT_TRUE(Call(peers_, &PeerService::Stub::ExportPeer, request_export, &exported).ok());
  EXPECT_EQ(exported.preshared_key(), KeyText('p'));
}

TEST_F(AdminApiTest, AnExportHoldsTheGatewayAndEveryResourceBehindIt) {
  ASSERT_TRUE(Create(Wiki()).ok());
  const admin::v1::PeerMutation created = MustCreatePeer("alice", 'a');
  EXPECT_EQ(created.export_().gateway_public_key(), KeyText('\x11'));
  EXPECT_EQ(created.export_().gateway_endpoint(), "203.0.113.2:51820");
  EXPECT_EQ(created.export_().mtu(), 1280U);
  EXPECT_THAT(created.export_().addresses(), SizeIs(2));
  EXPECT_THAT(created.export_().allowed_ips(), testing::Contains("10.1.0.10/32"));
  EXPECT_THAT(created.export_().allowed_ips(), SizeIs(3));
  EXPECT_THAT(created.peer().not_in_export(), SizeIs(0));

  MustCreateResource("late", "10.2.0.0/16");
  admin::v1::GetPeerRequest get;
  get.set_name("alice");
  admin::v1::Peer peer;
  ASSERT_TRUE(Call(peers_, &PeerService::Stub::GetPeer, get, &peer).ok());
  EXPECT_THAT(peer.not_in_export(), testing::ElementsAre("late"));
  admin::v1::ExportPeerRequest request;
  request.set_name("alice");
  admin::v1::PeerExport exported;
  ASSERT_TRUE(Call(peers_, &PeerService::Stub::ExportPeer, request, &exported).ok());
  EXPECT_THAT(exported.allowed_ips(), testing::Contains("10.2.0.0/16"));
  ASSERT_TRUE(Call(peers_, &PeerService::Stub::GetPeer, get, &peer).ok());
  EXPECT_THAT(peer.not_in_export(), SizeIs(0));
}

TEST_F(AdminApiTest, RotateAndDeleteReachTheNode) {
  MustCreatePeer("alice", 'a');
  admin::v1::RotatePeerRequest rotate;
  rotate.set_name("alice");
  rotate.set_public_key(KeyText('b'));
  admin::v1::PeerMutation response;
  ASSERT_TRUE(Call(peers_, &PeerService::Stub::RotatePeer, rotate, &response).ok());
  EXPECT_TRUE(response.has_export_());
  EXPECT_TRUE(dataplane_->seen().view.objects.contains({2, std::string(32, 'b')}));
  EXPECT_FALSE(dataplane_->seen().view.objects.contains({2, std::string(32, 'a')}));
  admin::v1::DeletePeerRequest remove;
  remove.set_name("alice");
  ASSERT_TRUE(Call(peers_, &PeerService::Stub::DeletePeer, remove, &response).ok());
  EXPECT_EQ(response.peer().name(), "alice");
  EXPECT_FALSE(dataplane_->seen().view.objects.contains({2, std::string(32, 'b')}));
}

TEST_F(AdminApiTest, StatusTellsOfEveryNodeAndTheStore) {
  ASSERT_TRUE(Create(Wiki()).ok());
  admin::v1::Status status;
  ASSERT_TRUE(Call(system_, &admin::v1::SystemService::Stub::GetStatus,
                   admin::v1::GetStatusRequest(), &status)
                  .ok());
  EXPECT_THAT(status.nodes(), SizeIs(1));
  EXPECT_EQ(status.resources(), 1U);
  EXPECT_THAT(status.store(), HasSubstr("sqlite:"));
  EXPECT_EQ(status.epoch().size(), 32U);
  EXPECT_EQ(status.revision(), resource_.result().revision());
}

}  // namespace
}  // namespace adit::hub
