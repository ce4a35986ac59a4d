#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "adit/dataplane/v1/control.grpc.pb.h"
#include "common/mutex.h"
#include "common/state_digest.h"

namespace adit::hub {

// What it has applied; given to another one, that one is the same data plane after a restart.
struct FakeView {
  std::string epoch;
  std::uint64_t revision = 0;
  std::map<std::pair<int, std::string>, std::string> objects;  // by kind and key
  StateDigest digest;
};
struct FakeIdentity {
  std::string node = "gw";
  std::string public_key = std::string(32, '\x11');
  std::string advertise = "203.0.113.2:51820";
  std::uint32_t protocol_min = 1;
  std::uint32_t protocol_max = 1;
};

// The data plane's end of a Sync stream, without a data plane: applies updates whole, checks their
// digests, acknowledges, refuses what it is told to refuse, or falls silent. Knows the channel from
// its description only; shares no code with the hub but the digest.
class FakeDataplane {
 public:
  using View = FakeView;
  using Identity = FakeIdentity;
  // nullopt: the object is fine.
  using Judge =
      std::function<std::optional<dataplane::v1::Rejection>(const dataplane::v1::Object&)>;

  // Dials at once; false from is_dialled() when nobody listens.
  explicit FakeDataplane(const std::string& address);
  ~FakeDataplane();
  FakeDataplane(const FakeDataplane&) = delete;
  FakeDataplane& operator=(const FakeDataplane&) = delete;

  void SayHello(const Identity& identity, View view = {});
  void Send(const dataplane::v1::FromDataplane& message);
  void RefuseObjects(Judge judge);
  // Reads on, but says nothing any more.
  void FallSilent();
  // What it says from here on is Nack with needs_snapshot, until it gets a snapshot.
  void LoseState();

  // What has happened.
  struct Seen {
    View view;
    int snapshots = 0;
    int deltas = 0;
    int pings = 0;
    int bad_digests = 0;
    std::optional<std::string> refused;  // reason
    std::string refusal_text;
    std::optional<std::uint32_t> stats_interval;
    int access_denied = 0;
    bool is_over = false;
    grpc::Status end;
  };
  // False when it does not come true within ten seconds.
  [[nodiscard]] bool WaitUntil(const std::function<bool(const Seen&)>& predicate);
  [[nodiscard]] Seen seen();  // a copy

 private:
  void ReadLoop();
  void Handle(const dataplane::v1::FromControlplane& message);
  void HandleSnapshot(const dataplane::v1::Snapshot& chunk);
  void HandleDelta(const dataplane::v1::Delta& delta);
  [[nodiscard]] bool Refuses(const std::vector<const dataplane::v1::Object*>& objects,
                             std::uint64_t nonce, std::uint64_t revision);
  void AskForSnapshot(std::uint64_t nonce, std::uint64_t revision);
  void Acknowledge(std::uint64_t nonce, std::uint64_t revision, const std::string& digest);

  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<dataplane::v1::DataplaneControl::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<
      grpc::ClientReaderWriter<dataplane::v1::FromDataplane, dataplane::v1::FromControlplane>>
      stream_;
  Mutex write_mutex_;
  Mutex mutex_;
  CondVar changed_;
  Seen seen_ ABSL_GUARDED_BY(mutex_);
  Judge judge_ ABSL_GUARDED_BY(mutex_);
  bool is_silent_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_lost_state_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<dataplane::v1::Snapshot> chunks_;  // the reading thread's
  std::thread thread_;
};

}  // namespace adit::hub
