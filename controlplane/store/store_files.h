#pragma once

#include <string>

#include <absl/status/status.h>

namespace adit::store {

// Makes sure that the store's file is there and is only ours: makes missing directories (0700)
// and the file (0600, empty). FAILED_PRECONDITION, naming path and remedy: the directory can be
// written by others, or the file has another owner, a wider mode or is not a regular file. The
// file system's errors keep their errno.
absl::Status PrepareStoreFile(const std::string& path);

}  // namespace adit::store
