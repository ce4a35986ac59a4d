#include "dataplane/state/peer_memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <absl/container/flat_hash_set.h>
#include <fmt/format.h>

#include "common/bytes.h"
#include "common/random.h"
#include "common/status.h"
#include "dataplane/state/encoding.h"

namespace adit::state {
namespace {

constexpr char kPeersName[] = "peers";
constexpr char kPeersPurpose[] = "adit data plane peers 1";
constexpr std::uint32_t kHeaderTag = 1;
constexpr std::uint32_t kBatchTag = 2;
constexpr std::size_t kRecordsPerBatch = 4096;
// The file is rewritten when it exceeds this and four times what it needs.
constexpr std::uint64_t kSmallFile = std::uint64_t{64} << 10;
constexpr std::uint64_t kRecordSizeBound = 32 + 1 + 16 + 2 + 4 + 12 + 1;

void AppendRecord(Encoder& encoder, const PeerRecord& peer) {
  encoder.Fixed(ByteSpan(peer.public_key.bytes()));
  const ByteSpan address = peer.endpoint ? peer.endpoint->address.bytes() : ByteSpan{};
  encoder.U8(static_cast<std::uint8_t>(address.size()));
  encoder.Fixed(address);
  encoder.U32(peer.endpoint ? peer.endpoint->port : 0);
  encoder.U32(peer.endpoint ? peer.endpoint->scope : 0);
  encoder.Fixed(ByteSpan(peer.greatest_timestamp));
  encoder.U8(peer.was_active ? 1 : 0);
}

bool TakeRecord(Decoder& decoder, PeerRecord& peer) {
  const auto key = PublicKey::FromBytes(AsBytes(decoder.Fixed(kKeySize)));
  const auto address = IpAddress::FromBytes(AsBytes(decoder.Fixed(decoder.U8())));
  const std::uint32_t port = decoder.U32();
  const std::uint32_t scope = decoder.U32();
  const std::string_view timestamp = decoder.Fixed(peer.greatest_timestamp.size());
  peer.was_active = decoder.U8() != 0;
  if (!decoder.ok() || !key) {
    return false;
  }
  peer.public_key = *key;
  peer.endpoint.reset();
  if (address) {
    peer.endpoint = Endpoint{*address, static_cast<std::uint16_t>(port), scope};
  }
  std::memcpy(peer.greatest_timestamp.data(), timestamp.data(), timestamp.size());
  return true;
}

}  // namespace

absl::StatusOr<PeerMemory> PeerMemory::Open(const StateDirectory& directory, Loaded& loaded) {
  PeerMemory memory(directory);
  auto fd = directory.OpenExisting(kPeersName, O_RDWR | O_APPEND);
  if (fd.ok()) {
    memory.fd_ = *std::move(fd);
    memory.Load(loaded);
    if (!loaded.problem.empty()) {
      RETURN_IF_ERROR(directory.SetAside(kPeersName));
    }
  } else if (!absl::IsNotFound(fd.status())) {
    return fd.status();
  }
  return memory;
}

void PeerMemory::Load(Loaded& loaded) {
  RecordReader reader(fd_.get(), kPeersPurpose);
  std::string body;
  std::uint32_t tag = 0;
  bool is_good = true;
  RecordReader::Result result = reader.Next(tag, body);
  if (result == RecordReader::Result::kRecord && tag == kHeaderTag &&
      body.size() == FileId().size()) {
    FileId id{};
    std::memcpy(id.data(), body.data(), id.size());
    reader.place().Bind(id);
    while ((result = reader.Next(tag, body)) == RecordReader::Result::kRecord && is_good) {
      is_good = tag == kBatchTag && LoadBatch(body, loaded);
    }
  } else {
    is_good = false;  // the header was there before the file had its name
  }
  const bool is_whole = is_good && result == RecordReader::Result::kEnd;
  const bool is_torn = is_good && result == RecordReader::Result::kTorn;
  for (const auto& [key, peer] : recorded_) {
    loaded.peers.push_back(peer);
  }
  place_ = reader.place();
  size_ = reader.offset();
  if (!is_whole) {
    fd_.Reset();
  }
  if (!is_whole && !is_torn) {
    loaded.problem = fmt::format(
        "{}/{} is damaged at byte {} (kept as {}): endpoints and timestamps recorded after it are "
        "lost",
        directory_->path(), kPeersName, reader.offset(), DamagedName(kPeersName));
  }
}

bool PeerMemory::LoadBatch(std::string_view body, Loaded& loaded) {
  Decoder decoder(body);
  const WallTime written_at{Duration(decoder.I64())};
  const std::uint32_t count = decoder.U32();
  for (std::uint32_t i = 0; i < count; ++i) {
    PeerRecord peer;
    if (!TakeRecord(decoder, peer)) {
      return false;
    }
    recorded_[peer.public_key] = peer;
  }
  loaded.written_at = std::max(loaded.written_at, written_at);
  return decoder.Finished();
}

absl::Status PeerMemory::Update(std::span<const PeerRecord> peers, WallTime now) {
  std::vector<PeerRecord> changed;
  for (PeerRecord peer : peers) {
    const auto found = recorded_.find(peer.public_key);
    if (found != recorded_.end()) {
      peer.greatest_timestamp = std::max(peer.greatest_timestamp, found->second.greatest_timestamp);
    }
    if (found == recorded_.end() || !(found->second == peer)) {
      changed.push_back(peer);
    }
  }
  const bool needs_rewrite =
      !fd_.is_open() || size_ > kSmallFile + 4 * kRecordSizeBound * peers.size();
  if (changed.empty() && fd_.is_open() && !needs_rewrite) {
    return absl::OkStatus();
  }
  if (!needs_rewrite) {
    RETURN_IF_ERROR(Append(changed, now));
    for (const PeerRecord& peer : changed) {
      recorded_[peer.public_key] = peer;
    }
    return absl::OkStatus();
  }
  absl::flat_hash_map<PublicKey, PeerRecord> before;
  before.swap(recorded_);
  for (const PeerRecord& peer : peers) {
    PeerRecord& kept = recorded_[peer.public_key];
    const auto found = before.find(peer.public_key);
    kept = peer;
    if (found != before.end()) {
      kept.greatest_timestamp = std::max(peer.greatest_timestamp, found->second.greatest_timestamp);
    }
  }
  absl::Status status = Rewrite(now);
  if (!status.ok()) {
    recorded_.swap(before);
  }
  return status;
}

absl::Status PeerMemory::Append(std::span<const PeerRecord> changed, WallTime now) {
  RecordPlace place = place_;
  std::string bytes;
  while (!changed.empty()) {
    const std::size_t count = std::min(changed.size(), kRecordsPerBatch);
    Encoder batch;
    batch.I64(now.since_epoch().count());
    batch.U32(static_cast<std::uint32_t>(count));
    for (const PeerRecord& peer : changed.subspan(0, count)) {
      AppendRecord(batch, peer);
    }
    bytes += EncodeRecord(place, kBatchTag, batch.Take());
    changed = changed.subspan(count);
  }
  int error_number = WriteAll(fd_.get(), bytes);
  if (error_number == 0 && fdatasync(fd_.get()) != 0) {
    error_number = errno;
  }
  if (error_number != 0) {
    fd_.Reset();  // the next batch rewrites the file
    return directory_->Error(error_number, "write", kPeersName);
  }
  place_ = std::move(place);
  size_ += bytes.size();
  return absl::OkStatus();
}

absl::Status PeerMemory::Rewrite(WallTime now) {
  std::vector<PeerRecord> peers;
  peers.reserve(recorded_.size());
  for (const auto& [key, peer] : recorded_) {
    peers.push_back(peer);
  }
  FileId id;
  SystemRandom().Fill(id);
  Encoder header;
  header.Fixed(ByteSpan(id));
  RecordPlace place = RecordPlace::First(kPeersPurpose);
  std::string bytes = EncodeRecord(place, kHeaderTag, header.Take());
  place.Bind(id);
  std::span<const PeerRecord> rest = peers;
  do {
    const std::size_t count = std::min(rest.size(), kRecordsPerBatch);
    Encoder batch;
    batch.I64(now.since_epoch().count());
    batch.U32(static_cast<std::uint32_t>(count));
    for (const PeerRecord& peer : rest.subspan(0, count)) {
      AppendRecord(batch, peer);
    }
    bytes += EncodeRecord(place, kBatchTag, batch.Take());
    rest = rest.subspan(count);
  } while (!rest.empty());
  RETURN_IF_ERROR(directory_->WriteAtomically(kPeersName, bytes));
  ASSIGN_OR_RETURN(fd_, directory_->OpenExisting(kPeersName, O_RDWR | O_APPEND));
  place_ = std::move(place);
  size_ = bytes.size();
  return absl::OkStatus();
}

}  // namespace adit::state
