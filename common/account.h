#pragma once

#include <sys/types.h>

#include <string_view>

#include <absl/status/statusor.h>

namespace adit {

// Who a process runs as, or who may use a socket.
struct Account {
  uid_t uid = 0;
  gid_t gid = 0;
  friend bool operator==(const Account&, const Account&) = default;
};

// "NAME", "UID", "NAME:GROUP" or "UID:GID" (each part a name or a number). A number needs no
// account to exist; without a group it is the account's primary one, else the same number as the
// uid. INVALID_ARGUMENT for text that is neither (an empty part, a number past 2^32-2), NOT_FOUND
// for a name that does not exist; both name `flag` ("--user") and say what to give instead.
[[nodiscard]] absl::StatusOr<Account> ResolveAccount(std::string_view text, std::string_view flag);

}  // namespace adit
