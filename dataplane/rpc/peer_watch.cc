#include "dataplane/rpc/peer_watch.h"

#include "dataplane/rpc/convert.h"

namespace adit::rpc {
namespace {

namespace pb = ::adit::dataplane::v1;

constexpr Duration kSessionLife = seconds(180);

pb::Event& Append(std::vector<Outgoing>& events, WallTime now) {
  pb::Event& event = *events.emplace_back().mutable_event();
  event.set_at_unix_ns(now.since_epoch().count());
  return event;
}

}  // namespace

void PeerWatch::Compare(const std::vector<engine::PeerReport>& reports, WallTime now,
                        std::vector<Outgoing>& events) {
  ++round_;
  std::size_t room = kMaxEvents;
  for (const engine::PeerReport& report : reports) {
    Seen& seen = seen_[report.public_key];
    seen.round = round_;
    const bool is_up = report.last_handshake && now - *report.last_handshake < kSessionLife;
    if (is_up != seen.is_up && room > 0) {
      --room;
      seen.is_up = is_up;
      pb::Event& event = Append(events, now);
      auto& key = is_up ? *event.mutable_session_up()->mutable_peer_public_key()
                        : *event.mutable_session_down()->mutable_peer_public_key();
      key = StringOf(report.public_key);
    }
    if (report.endpoint != seen.endpoint && room > 0) {
      --room;
      seen.endpoint = report.endpoint;
      pb::PathChanged& changed = *Append(events, now).mutable_path_changed();
      changed.set_peer_public_key(StringOf(report.public_key));
      changed.set_endpoint(report.endpoint ? report.endpoint->ToString() : "");
    }
    if (report.garbled_trains != seen.garbled_trains && room > 0) {
      --room;
      seen.garbled_trains = report.garbled_trains;
      events.push_back(MakeFault("TRAINS_GARBLED",
                                 "datagrams of peer " + report.public_key.ToBase64() +
                                     " do not decrypt: the path garbles them, or a kernel cuts or "
                                     "joins them wrongly; see this node's log",
                                 now));
    }
  }
  absl::erase_if(seen_, [&](const auto& entry) { return entry.second.round != round_; });
}

}  // namespace adit::rpc
