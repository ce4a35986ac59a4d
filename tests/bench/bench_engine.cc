#include <fcntl.h>

#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "common/unique_fd.h"
#include "dataplane/engine/engine.h"
#include "dataplane/io/tun_writer.h"
#include "tests/bench/adit_bench.h"
#include "tests/bench/super_packets.h"
#include "tests/support/seeded_random.h"

namespace adit::bench {
namespace {

// Trains of datagrams in memory, laid out as the queue does; they are taken before the next come.
class Trains final : public packet::DatagramSink {
 public:
  struct Train {
    MutableByteSpan bytes;
    std::size_t segment_size = 0;
  };

  Trains() : memory_(std::size_t{4} * 65'536) {}

  packet::Reservation ReserveTrain(const packet::TrainRequest& request, const packet::DatagramPath&,
                                   packet::SendClass) override {
    const std::uint32_t count = std::min(request.count, kMaxDatagrams);
    const std::uint32_t last = count == request.count ? request.last_size : request.segment_size;
    const std::size_t size = std::size_t{count - 1} * request.segment_size + last;
    if (used_ + size > memory_.size()) {
      return {};
    }
    reserved_ = {MutableByteSpan(memory_).subspan(used_, size), request.segment_size};
    return {reserved_.bytes, count};
  }
  void Commit() override { Add(reserved_); }
  void Rollback() override {}
  bool SendControl(ByteSpan datagram, const packet::DatagramPath&, packet::ControlKind) override {
    const MutableByteSpan place = MutableByteSpan(memory_).subspan(used_, datagram.size());
    std::memcpy(place.data(), datagram.data(), datagram.size());
    Add({place, datagram.size()});
    return true;
  }
  void StartEpoch(std::uint32_t) override {}
  std::uint32_t Discard(std::uint32_t) override { return 0; }

  [[nodiscard]] std::vector<Train>& trains() { return trains_; }
  void Clear() {
    trains_.clear();
    used_ = 0;
  }

 private:
  static constexpr std::uint32_t kMaxDatagrams = 45;  // 64 KiB

  void Add(const Train& train) {
    trains_.push_back(train);
    used_ += train.bytes.size();
  }

  std::vector<std::uint8_t> memory_;
  std::size_t used_ = 0;
  Train reserved_;
  std::vector<Train> trains_;
};

// An engine with its surroundings: datagrams stay in memory, packets are merged and written to
// /dev/null.
class Host {
 public:
  Host(std::uint64_t seed, const char* endpoint)
      : random_(seed), endpoint_(*Endpoint::Parse(endpoint)) {
    std::array<std::uint8_t, 32> key{};
    random_.Fill(key);
    (void)engine_.SetPrivateKey(key, {});
  }

  bool Add(const Host& other, const char* allowed_ips) {
    engine::PeerPatch patch;
    patch.public_key = other.engine_.public_key();
    patch.endpoint = other.endpoint_;
    patch.allowed_ips = {*IpPrefix::Parse(allowed_ips)};
    return engine_.ApplyPatch(patch, kNow);
  }
  void ReceiveFrom(Host& other) {
    for (const Trains::Train& train : other.sent_.trains()) {
      engine_.HandleUdpTrain(
          {train.bytes, train.segment_size, other.endpoint_, {endpoint_.address, 1, 1}, 0}, kNow);
    }
    tun_.FlushDeliveries();
    other.sent_.Clear();
    while (engine_.ServeHandshakes(kNow)) {
    }
  }
  void Read(const packet::SuperPacket& super_packet) {
    engine_.HandleTunPacket(super_packet, kNow);
  }

  [[nodiscard]] std::uint64_t delivered() const { return tun_.counters().packets; }
  [[nodiscard]] bool has_sent() { return !sent_.trains().empty(); }

 private:
  static constexpr Now kNow{Instant(seconds(100)), WallTime(seconds(1'700'000'000))};

  testing::SeededRandom random_;
  Endpoint endpoint_;
  Trains sent_;
  UniqueFd null_{::open("/dev/null", O_WRONLY | O_CLOEXEC)};
  io::SystemSyscalls syscalls_;
  io::TunWriter tun_{syscalls_, null_.get(), {.tcp = true, .udp = true}};
  engine::HandshakeLoad load_;
  std::unique_ptr<crypto::SecretArena> arena_ = crypto::SecretArena::Make(256).value();
  std::unique_ptr<crypto::Aead> aead_ = crypto::MakeAead("auto").value();
  engine::Engine engine_{{sent_, tun_, *aead_, *arena_, random_, load_}, {.enforce_access = false}};
};

// A super-packet read, sealed, opened by the other engine, merged and written: what both ends
// together spend on a packet outside the kernel.
void Carry(benchmark::State& state, std::uint8_t protocol, std::size_t segments) {
  Host client(1, "192.0.2.1:1111");
  Host gateway(2, "198.51.100.2:51820");
  SuperPacketSource source(protocol, segments);
  if (!client.Add(gateway, "10.0.0.0/8") || !gateway.Add(client, "100.64.0.2/32")) {
    state.SkipWithError("a peer was refused");
    return;
  }
  client.Read(source.Fresh());  // staged until the handshake is done
  while (client.has_sent() || gateway.has_sent()) {
    gateway.ReceiveFrom(client);
    client.ReceiveFrom(gateway);
  }
  const std::uint64_t before = gateway.delivered();
  for (auto _ : state) {
    client.Read(source.Fresh());
    gateway.ReceiveFrom(client);
  }
  const std::uint64_t carried = gateway.delivered() - before;
  if (carried != static_cast<std::uint64_t>(state.iterations()) * segments) {
    state.SkipWithError("packets were lost");
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(carried));
}

}  // namespace

void RegisterEngine() {
  for (const auto& [name, protocol] : {std::pair("tcp", kTcp), std::pair("udp", kUdp)}) {
    for (const std::size_t segments : {46U, 4U, 2U}) {
      benchmark::RegisterBenchmark(
          fmt::format("Engines/{}/{}", name, segments).c_str(),
          [=](benchmark::State& state) { Carry(state, protocol, segments); });
    }
  }
}

}  // namespace adit::bench
