// Fills a hub through its admin API, and measures single changes to it.
//
//   adit_many_peers ADDRESS fill NODE PEERS RESOURCES CIDRS
//   adit_many_peers ADDRESS change PEER TIMES
//
// fill: PEERS peers at the node, RESOURCES resources of CIDRS prefixes each, and a policy for every
// resource that gives it to an equal share of the peers. Nobody is waited for. Prints the seconds.
// change: TIMES times another endpoint of the peer, one after the other. Prints a line for each:
// the microseconds of the whole call, and those of the node from the update's making to its
// acknowledgement.
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>

#include "adit/admin/v1/node.grpc.pb.h"
#include "adit/admin/v1/peer.grpc.pb.h"
#include "adit/admin/v1/policy.grpc.pb.h"
#include "adit/admin/v1/resource.grpc.pb.h"
#include "common/channel/unix_dialler.h"
#include "common/channel/unix_socket.h"
#include "common/key.h"
#include "common/random.h"
#include "common/status.h"

namespace {

namespace pb = ::adit::admin::v1;
using Clock = std::chrono::steady_clock;

constexpr int kCallsAtOnce = 64;

[[noreturn]] void Die(const std::string& text) {
  std::fprintf(stderr, "adit_many_peers: %s\n", text.c_str());
  std::exit(1);
}

double MicrosecondsSince(Clock::time_point began) {
  return std::chrono::duration<double, std::micro>(Clock::now() - began).count();
}

// Calls that do not wait for each other, so many at a time.
class Calls {
 public:
  template <typename Stub, typename Request, typename Response>
  void Start(Stub& stub,
             std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> (Stub::*call)(
                 grpc::ClientContext*, const Request&, grpc::CompletionQueue*),
             Request& request, Response*) {
    if (running_ == kCallsAtOnce) {
      FinishOne();
    }
    struct State final : Call {
      std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> reader;
      Response response;
    };
    request.mutable_options()->set_no_wait(true);
    auto* state = new State();
    state->reader = (stub.*call)(&state->context, request, &queue_);
    state->reader->Finish(&state->response, &state->status, static_cast<Call*>(state));
    ++running_;
  }
  void FinishAll() {
    while (running_ > 0) {
      FinishOne();
    }
  }

 private:
  struct Call {
    virtual ~Call() = default;
    grpc::ClientContext context;
    grpc::Status status;
  };

  void FinishOne() {
    void* tag = nullptr;
    bool is_ok = false;
    if (!queue_.Next(&tag, &is_ok)) {
      Die("the queue has ended");
    }
    const std::unique_ptr<Call> call(static_cast<Call*>(tag));
    if (!call->status.ok()) {
      Die(call->status.error_message());
    }
    --running_;
  }

  grpc::CompletionQueue queue_;
  int running_ = 0;
};

void Fill(const std::shared_ptr<grpc::Channel>& channel, const std::string& node, int peers,
          int resources, int cidrs) {
  const auto peer_stub = pb::PeerService::NewStub(channel);
  const auto resource_stub = pb::ResourceService::NewStub(channel);
  const auto policy_stub = pb::PolicyService::NewStub(channel);
  const auto began = Clock::now();
  Calls calls;
  adit::SystemRandom random;
  for (int i = 0; i < peers; ++i) {
    std::array<std::uint8_t, 32> key{};
    random.Fill(key);
    pb::CreatePeerRequest request;
    request.mutable_peer()->set_name(fmt::format("p{}", i));
    request.mutable_peer()->set_public_key(adit::PublicKey(key).ToBase64());
    request.mutable_peer()->set_node(node);
    pb::PeerMutation* const answer = nullptr;
    calls.Start(*peer_stub, &pb::PeerService::Stub::AsyncCreatePeer, request, answer);
  }
  for (int i = 0; i < resources; ++i) {
    pb::CreateResourceRequest request;
    pb::Resource* resource = request.mutable_resource();
    resource->set_name(fmt::format("r{}", i));
    resource->set_node(node);
    resource->set_allow_all(true);
    for (int j = 0; j < cidrs; ++j) {
      resource->add_cidrs(fmt::format("10.{}.{}.0/24", i, j));
    }
    pb::ResourceMutation* const answer = nullptr;
    calls.Start(*resource_stub, &pb::ResourceService::Stub::AsyncCreateResource, request, answer);
  }
  calls.FinishAll();
  for (int i = 0; i < resources; ++i) {
    pb::CreatePolicyRequest request;
    request.mutable_policy()->set_name(fmt::format("g{}", i));
    request.mutable_policy()->add_resources(fmt::format("r{}", i));
    for (int peer = i; peer < peers; peer += resources) {
      request.mutable_policy()->add_peers(fmt::format("p{}", peer));
    }
    pb::PolicyMutation* const answer = nullptr;
    calls.Start(*policy_stub, &pb::PolicyService::Stub::AsyncCreatePolicy, request, answer);
  }
  calls.FinishAll();
  std::printf("%.2f\n", MicrosecondsSince(began) / 1e6);
}

void Change(const std::shared_ptr<grpc::Channel>& channel, const std::string& peer, int times) {
  const auto peers = pb::PeerService::NewStub(channel);
  const auto nodes = pb::NodeService::NewStub(channel);
  for (int i = 0; i < times; ++i) {
    pb::UpdatePeerRequest request;
    request.mutable_peer()->set_name(peer);
    request.mutable_peer()->set_endpoint(fmt::format("192.0.2.1:{}", 1'000 + i));
    pb::PeerMutation response;
    grpc::ClientContext context;
    const auto began = Clock::now();
    const grpc::Status status = peers->UpdatePeer(&context, request, &response);
    const double took = MicrosecondsSince(began);
    const bool is_acked = status.ok() && response.result().nodes_size() == 1 &&
                          response.result().nodes(0).state() == pb::NodeOutcome::ACKED;
    if (!is_acked) {
      Die(status.ok() ? response.result().ShortDebugString() : status.error_message());
    }
    pb::GetNodeRequest get;
    get.set_name(response.result().nodes(0).node());
    pb::Node node;
    grpc::ClientContext second;
    if (const grpc::Status got = nodes->GetNode(&second, get, &node); !got.ok()) {
      Die(got.error_message());
    }
    std::printf("%.0f %.0f\n", took, static_cast<double>(node.last_update_ns()) / 1e3);
  }
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> Dial(const std::string& address) {
  ASSIGN_OR_RETURN(const std::vector<uid_t> servers, adit::channel::PossibleServersOf(address));
  return adit::channel::DialUnix(address, servers);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 2 ? argv[2] : "";
  if (!(what == "fill" && argc == 7) && !(what == "change" && argc == 5)) {
    Die("ADDRESS fill NODE PEERS RESOURCES CIDRS | ADDRESS change PEER TIMES");
  }
  const auto channel = Dial(argv[1]);
  if (!channel.ok()) {
    Die(adit::MessageOf(channel.status()));
  }
  if (what == "fill") {
    Fill(*channel, argv[3], std::atoi(argv[4]), std::atoi(argv[5]), std::atoi(argv[6]));
  } else {
    Change(*channel, argv[3], std::atoi(argv[4]));
  }
  return 0;
}
