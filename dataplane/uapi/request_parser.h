#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/uapi/device.h"

namespace adit::uapi {

enum class Operation : std::uint8_t { kNone, kGet, kSet };

// Why a request was refused. The text names the line, the key, the value (never of a secret) and
// what was expected.
struct RequestError {
  int error = 0;  // errno; 0: none
  std::string text;
};

// Reads requests of the cross-platform text protocol ("get=1" or "set=1", key=value lines, an empty
// line), sans-IO: bytes go in as they arrive, in pieces of any size.
//
// A request is read whole before any of it is applied; one with an error anywhere is refused whole
// and read to its end, so that its sender can write all of it and then read the answer. (Others
// apply the lines before the bad one.) The end of the stream ends a request after a whole line, as
// an empty line does; in the middle of a line it makes the request an error.
//
// Bounded: lines to kMaxLine bytes, a request to kMaxRequest. What held keys is wiped.
//
// Thread: one at a time.
class RequestParser {
 public:
  static constexpr std::size_t kMaxLine = 512;
  // 10,000 peers with 4 prefixes are 4 MB.
  static constexpr std::size_t kMaxRequest = std::size_t{16} << 20;

  // The index of an interface name in the scope of a link-local endpoint; 0: no such interface.
  using ScopeResolver = std::function<std::uint32_t(const std::string& interface)>;

  explicit RequestParser(ScopeResolver scope_resolver) : resolve_scope_(std::move(scope_resolver)) {
    line_.reserve(kMaxLine);
  }
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  // Takes bytes up to the end of the request under way; returns how many. Takes none while
  // is_complete().
  std::size_t Consume(std::string_view bytes);
  // The stream ended. A request under way becomes complete.
  void HandleEnd();

  [[nodiscard]] bool is_complete() const { return is_complete_; }
  // Of a complete request. With an error, set_request() is not to be used.
  [[nodiscard]] Operation operation() const { return operation_; }
  [[nodiscard]] const SetRequest& set_request() const { return set_; }
  [[nodiscard]] const RequestError& error() const { return error_; }
  // Ready for the next request; wipes this one.
  void Reset();

 private:
  void HandleLine();
  void HandleSetLine(std::string_view key, std::string_view value);
  void HandleDeviceLine(std::string_view key, std::string_view value);
  void HandlePeerLine(std::string_view key, std::string_view value);
  void HandleAllowedIp(std::string_view value);
  void Fail(int error, std::string_view what);
  void Expect(bool holds, std::string_view key, std::string_view value, std::string_view expected);
  void ClearLine();

  ScopeResolver resolve_scope_;
  std::vector<char> line_;  // capacity kMaxLine for good: growing would leave copies of keys
  bool line_is_too_long_ = false;
  std::size_t line_number_ = 0;
  std::size_t request_bytes_ = 0;
  bool is_complete_ = false;
  Operation operation_ = Operation::kNone;
  SetRequest set_;
  RequestError error_;
};

}  // namespace adit::uapi
