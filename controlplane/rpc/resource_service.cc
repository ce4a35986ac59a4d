#include "controlplane/rpc/resource_service.h"

#include "controlplane/model/resources.h"
#include "controlplane/rpc/admin_records.h"
#include "controlplane/rpc/missing.h"
#include "controlplane/rpc/page.h"
#include "controlplane/rpc/update_mask.h"

namespace adit::hub {
namespace {

std::vector<model::AllowRequest> AllowsOf(const admin::v1::Resource& resource) {
  std::vector<model::AllowRequest> out;
  for (const admin::v1::Allow& allow : resource.allow()) {
    out.push_back(
        {static_cast<std::uint32_t>(allow.protocol()), allow.first_port(), allow.last_port()});
  }
  return out;
}

}  // namespace

grpc::ServerUnaryReactor* ResourceService::CreateResource(
    grpc::CallbackServerContext* context, const admin::v1::CreateResourceRequest* request,
    admin::v1::ResourceMutation* response) {
  return calls_.Mutate(
      context, "CreateResource", request, response,
      [=](const model::State& state, WallTime now) {
        const admin::v1::Resource& resource = request->resource();
        model::ResourceCreate create;
        create.name = resource.name();
        create.node = resource.node();
        create.cidrs = {resource.cidrs().begin(), resource.cidrs().end()};
        create.allow_all = resource.allow_all();
        create.allow = AllowsOf(resource);
        if (resource.has_nat()) {
          create.nat = resource.nat();
        }
        return model::CreateResource(state, create, now);
      },
      [=](const model::State& state) {
        FillResource(*state.FindResource(request->resource().name()), response->mutable_resource());
      });
}

grpc::ServerUnaryReactor* ResourceService::GetResource(grpc::CallbackServerContext* context,
                                                       const admin::v1::GetResourceRequest* request,
                                                       admin::v1::Resource* response) {
  return calls_.Read(context, [=](const Hub& hub) {
    const model::Resource* resource = hub.state().FindResource(request->name());
    if (resource == nullptr) {
      return Missing("resource", request->name());
    }
    FillResource(*resource, response);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ResourceService::ListResources(
    grpc::CallbackServerContext* context, const admin::v1::ListResourcesRequest* request,
    admin::v1::ListResourcesResponse* response) {
  return calls_.Read(context, [=](const Hub& hub) -> absl::Status {
    ASSIGN_OR_RETURN(*response->mutable_next_page_token(),
                     ListPage(hub.state().resources(), request->page_size(), request->page_token(),
                              [&](const model::Resource& resource) {
                                FillResource(resource, response->add_resources());
                              }));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ResourceService::UpdateResource(
    grpc::CallbackServerContext* context, const admin::v1::UpdateResourceRequest* request,
    admin::v1::ResourceMutation* response) {
  return calls_.Mutate(
      context, "UpdateResource", request, response,
      [=](const model::State& state, WallTime) -> absl::StatusOr<model::Change> {
        const admin::v1::Resource& resource = request->resource();
        ASSIGN_OR_RETURN(const auto meant,
                         MeantFields(request->update_mask(), {{"cidrs", resource.cidrs_size() > 0},
                                                              {"allow", resource.allow_size() > 0},
                                                              {"allow_all", resource.allow_all()},
                                                              {"nat", resource.has_nat()},
                                                              {"node", !resource.node().empty()}}));
        model::ResourceUpdate update;
        update.name = resource.name();
        update.etag = resource.etag();
        if (meant.contains("cidrs")) {
          update.cidrs.emplace(resource.cidrs().begin(), resource.cidrs().end());
        }
        if (meant.contains("allow") || meant.contains("allow_all")) {
          update.filter = {resource.allow_all(), AllowsOf(resource)};
        }
        if (meant.contains("nat")) {
          update.nat = !resource.has_nat() || resource.nat();
        }
        if (meant.contains("node")) {
          update.node = resource.node();
        }
        return model::UpdateResource(state, update);
      },
      [=](const model::State& state) {
        FillResource(*state.FindResource(request->resource().name()), response->mutable_resource());
      });
}

grpc::ServerUnaryReactor* ResourceService::DeleteResource(
    grpc::CallbackServerContext* context, const admin::v1::DeleteResourceRequest* request,
    admin::v1::ResourceMutation* response) {
  return calls_.Mutate(
      context, "DeleteResource", request, response,
      [=](const model::State& state, WallTime) {
        if (const model::Resource* resource = state.FindResource(request->name())) {
          FillResource(*resource, response->mutable_resource());
        }
        return model::DeleteResource(state, request->name(), request->etag());
      },
      [](const model::State&) {});
}

}  // namespace adit::hub
