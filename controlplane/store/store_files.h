#pragma once

#include <string>

#include <absl/status/statusor.h>

namespace adit::store {

// Makes sure that the store's file is there and is only ours: makes missing directories (0700)
// and the file (0600, empty). True: it was missing. FAILED_PRECONDITION, naming path and remedy:
// the directory can be written by others, or the file has another owner, a wider mode or is not a
// regular file; so too for the log beside it. DATA_LOSS: the file was there and is empty, or its
// log is there without it: SQLite would begin a new store. The file system's errors keep their
// errno.
absl::StatusOr<bool> PrepareStoreFile(const std::string& path);
// After a failure to fill a file that PrepareStoreFile has made: removes it if it is still empty.
void RemoveEmptyStoreFile(const std::string& path);

}  // namespace adit::store
