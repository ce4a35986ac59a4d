#include "common/account.h"

#include <grp.h>
#include <pwd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "common/status.h"

namespace adit {
namespace {

// 2^32-1 means "leave as it is" to the kernel.
constexpr std::uint32_t kGreatestId = std::numeric_limits<std::uint32_t>::max() - 1;
constexpr std::size_t kGreatestEntry = std::size_t{1} << 20;

bool IsNumber(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::optional<std::uint32_t> ParseId(std::string_view text) {
  std::uint32_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  const bool is_whole = error == std::errc() && end == text.data() + text.size();
  return is_whole && id <= kGreatestId ? std::optional(id) : std::nullopt;
}

// The reentrant look-ups of passwd and group want a buffer of a size they do not tell. `look_up` is
// called with ever larger ones; nullopt when there is no such entry or no database.
template <typename Entry, typename LookUp>
std::optional<Account> Find(LookUp look_up, Account (*account_of)(const Entry&)) {
  Entry entry{};
  Entry* found = nullptr;
  std::vector<char> buffer(1024);
  int error = look_up(&entry, buffer.data(), buffer.size(), &found);
  while (error == ERANGE && buffer.size() < kGreatestEntry) {
    buffer.resize(buffer.size() * 2);
    error = look_up(&entry, buffer.data(), buffer.size(), &found);
  }
  return error == 0 && found != nullptr ? std::optional(account_of(entry)) : std::nullopt;
}

Account AccountOf(const passwd& entry) { return {entry.pw_uid, entry.pw_gid}; }
Account AccountOf(const group& entry) { return {0, entry.gr_gid}; }

std::optional<Account> FindUser(const std::string& name) {
  return Find<passwd>([&](auto... out) { return getpwnam_r(name.c_str(), out...); }, &AccountOf);
}
std::optional<Account> FindUser(uid_t uid) {
  return Find<passwd>([&](auto... out) { return getpwuid_r(uid, out...); }, &AccountOf);
}
std::optional<Account> FindGroup(const std::string& name) {
  return Find<group>([&](auto... out) { return getgrnam_r(name.c_str(), out...); }, &AccountOf);
}

absl::Status Unusable(std::string_view flag, std::string_view text, std::string_view part) {
  return InvalidArgument(fmt::format(
      "{} {}: \"{}\" is not an account: expected NAME, UID, NAME:GROUP or UID:GID, numbers at most "
      "{}",
      flag, text, part, kGreatestId));
}

}  // namespace

absl::StatusOr<Account> ResolveAccount(std::string_view text, std::string_view flag) {
  const std::size_t colon = text.find(':');
  const std::string user(text.substr(0, colon));
  const bool has_group = colon != std::string_view::npos;
  const std::string group_text(has_group ? text.substr(colon + 1) : "");
  Account account;
  if (IsNumber(user)) {
    const std::optional<std::uint32_t> uid = ParseId(user);
    if (!uid) {
      return Unusable(flag, text, user);
    }
    account = has_group ? Account{*uid, 0} : FindUser(*uid).value_or(Account{*uid, *uid});
  } else if (user.empty()) {
    return Unusable(flag, text, user);
  } else if (const std::optional<Account> found = FindUser(user)) {
    account = *found;
  } else {
    return NotFound(fmt::format(
        "{} {}: there is no account {} on this host: create it, or give UID:GID as numbers", flag,
        text, user));
  }
  if (!has_group) {
    return account;
  }
  if (IsNumber(group_text)) {
    const std::optional<std::uint32_t> gid = ParseId(group_text);
    if (!gid) {
      return Unusable(flag, text, group_text);
    }
    account.gid = *gid;
  } else if (group_text.empty() || group_text.find(':') != std::string::npos) {
    return Unusable(flag, text, group_text);
  } else if (const std::optional<Account> found = FindGroup(group_text)) {
    account.gid = found->gid;
  } else {
    return NotFound(fmt::format(
        "{} {}: there is no group {} on this host: create it, or give UID:GID as numbers", flag,
        text, group_text));
  }
  return account;
}

}  // namespace adit
