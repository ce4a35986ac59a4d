#pragma once

#include <string>
#include <string_view>

#include <grpcpp/support/status.h>

namespace adit::cli {

// A failed call in the user's terms: the server's sentence, then one indented line for each field
// violation, named by the flag that sets the field: "--cidr: …". noun: "peer", since `node` is
// --gateway there and --node elsewhere.
[[nodiscard]] std::string ErrorText(const grpc::Status& status, std::string_view noun);

// "cidrs[1]" is "--cidr", "peer.name" is "NAME".
[[nodiscard]] std::string FlagOfField(std::string_view field, std::string_view noun);

}  // namespace adit::cli
