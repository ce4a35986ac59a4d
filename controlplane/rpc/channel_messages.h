#pragma once

#include <optional>
#include <string>
#include <vector>

#include "adit/dataplane/v1/control.pb.h"
#include "common/time.h"
#include "controlplane/model/view.h"
#include "controlplane/sync/messages.h"

// Where the channel's protobuf stops on this side: adit.dataplane.v1 to and from plain values.
namespace adit::hub {

// An object's bytes as they travel and as both ends hash them.
[[nodiscard]] std::string BodyOf(const model::ViewBody& body);
[[nodiscard]] std::vector<sync::Object> ObjectsOf(const std::vector<model::ViewObject>& objects);

// Not for Close, which ends the stream instead.
[[nodiscard]] dataplane::v1::FromControlplane ToProto(sync::Message message, WallTime now);

[[nodiscard]] sync::Hello FromProto(const dataplane::v1::Hello& hello);
[[nodiscard]] sync::Ack FromProto(const dataplane::v1::Ack& ack);
[[nodiscard]] sync::Nack FromProto(const dataplane::v1::Nack& nack);

}  // namespace adit::hub
