#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

#include "controlplane/model/error.h"
#include "controlplane/model/resources.h"
#include "controlplane/model/state.h"

// How each field of a request is judged. What a data plane would refuse is refused here: nothing
// that cannot be applied should be stored. A function that takes FieldErrors adds to them and
// returns a value of no meaning; the caller looks at the errors before it uses any value.
namespace adit::model {

// The most of each that one data plane accepts.
inline constexpr std::size_t kMaxCidrs = 4'096;
inline constexpr std::size_t kMaxAllows = 1'024;
inline constexpr std::size_t kMaxPeersPerNode = 65'536;
inline constexpr std::size_t kMaxResourcesPerNode = 16'384;
inline constexpr std::size_t kMaxGrants = std::size_t{1} << 20;

// Lower-case letters, digits and '-', 1 to 63, first and last not '-'.
void CheckName(std::string_view name, std::string_view field, FieldErrors& errors);
PublicKey ParsePublicKey(std::string_view base64, FieldErrors& errors);
std::optional<PresharedKey> ParsePresharedKey(const std::optional<std::string>& base64,
                                              FieldErrors& errors);
std::optional<Endpoint> ParseEndpoint(const std::optional<std::string>& text,
                                      const Network& network, FieldErrors& errors);
std::uint16_t ParseKeepalive(const std::optional<std::uint32_t>& keepalive, FieldErrors& errors);
// HOST:PORT; the host is an address (IPv6 in brackets) or a name.
void CheckAdvertise(std::string_view text, FieldErrors& errors);
std::vector<IpPrefix> ParseCidrs(std::span<const std::string> texts, const Network& network,
                                 FieldErrors& errors);
std::vector<Allow> ParseAllow(bool allow_all, std::span<const AllowRequest> requests,
                              FieldErrors& errors);
// Sorted.
std::vector<std::string> ParseMembers(std::vector<std::string> names, std::string_view field,
                                      FieldErrors& errors);

// INVALID_ARGUMENT, NOT_FOUND or NODE_REQUIRED; `name` empty: the only node. `flag` is how the
// command line names the field.
absl::StatusOr<const Node*> ResolveNode(const State& state, std::string_view name,
                                        std::string_view flag);
// ALREADY_EXISTS unless the key is free or held by the object that the request is about.
absl::Status CheckKeyIsFree(const State& state, const PublicKey& key, std::string_view own_node,
                            std::string_view own_peer);
absl::Status CheckEtag(std::uint64_t revision, std::string_view etag, std::string_view what,
                       std::string_view name);
absl::Status NotFoundError(std::string_view what, std::string_view name);
absl::Status AlreadyExistsError(std::string_view what, std::string_view name);

}  // namespace adit::model
