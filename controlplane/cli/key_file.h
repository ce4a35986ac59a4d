#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "controlplane/cli/client_key.h"

namespace adit::cli {

// The file a client's private key goes to, written so that at no instant the hub can know a public
// key whose private one is nowhere: KeepKey puts the private key beside it, as PATH.pending-key,
// before the call; Complete puts the whole file in place and removes the pending one; Abandon
// removes it when the call is known to have failed. If neither is called (the answer was lost, or
// this process was killed) the pending key stays, and `peer export --private-key-file` makes the
// file of it. All files are 0600, made by us (O_EXCL), and on disk when a function returns OK.
class KeyFile {
 public:
  // ALREADY_EXISTS when the file is there (unless may_replace) or a pending key of an earlier
  // attempt is; NOT_FOUND and so on for a directory that cannot be used. Nothing is written.
  [[nodiscard]] static absl::StatusOr<KeyFile> Prepare(const std::string& path, bool may_replace);

  // Puts text into path at once and whole (0600), or leaves path as it was; ALREADY_EXISTS when it
  // is there and may not be replaced.
  [[nodiscard]] static absl::Status Write(const std::string& path, std::string_view text,
                                          bool may_replace);

  [[nodiscard]] absl::Status KeepKey(const ClientKey& key);
  // On an error the pending key stays, and PATH is as it was.
  [[nodiscard]] absl::Status Complete(std::string_view text);
  void Abandon();

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string pending_path() const { return path_ + ".pending-key"; }

 private:
  KeyFile(std::string path, bool may_replace) : path_(std::move(path)), may_replace_(may_replace) {}

  std::string path_;
  bool may_replace_;
  bool is_key_kept_ = false;
};

}  // namespace adit::cli
