#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

#include "common/bytes.h"

struct sqlite3;
struct sqlite3_stmt;

// SQLite, as much of it as a store needs: statements with typed parameters and columns, and errors
// that say what to do.
namespace adit::store {

class Database;

// One prepared statement, used by one call at a time. Bind in order, Step, read columns.
class Statement {
 public:
  Statement& Bind(std::int64_t value);
  Statement& Bind(std::string_view text);
  Statement& BindBlob(ByteSpan bytes);
  Statement& BindNull();

  // True: a row is there. False: done.
  [[nodiscard]] absl::StatusOr<bool> Step();
  // For statements without rows.
  [[nodiscard]] absl::Status Run();
  // Ready for other parameters.
  void Reset();

  // Of the current row; a NULL reads as 0 or empty.
  [[nodiscard]] std::int64_t Int(int column) const;
  [[nodiscard]] std::string Text(int column) const;
  [[nodiscard]] std::string Blob(int column) const;
  [[nodiscard]] bool IsNull(int column) const;

 private:
  friend class Database;
  struct Finalizer {
    void operator()(sqlite3_stmt* statement) const;
  };
  Statement(const Database& database, sqlite3_stmt* statement)
      : database_(&database), statement_(statement) {}
  int NextParameter() { return ++bound_; }

  const Database* database_;  // outlives the statement
  std::unique_ptr<sqlite3_stmt, Finalizer> statement_;
  int bound_ = 0;
  int bind_error_ = 0;
};

// One connection to an existing file, which no other connection may read or write once this one
// has read from it. Not movable while statements of it live.
class Database {
 public:
  static absl::StatusOr<Database> Open(const std::string& path);

  [[nodiscard]] absl::Status Execute(const std::string& sql) const;
  [[nodiscard]] absl::StatusOr<Statement> Prepare(std::string_view sql) const;
  // The first column of the first row.
  [[nodiscard]] absl::StatusOr<std::int64_t> QueryInt(std::string_view sql) const;
  [[nodiscard]] absl::StatusOr<std::string> QueryText(std::string_view sql) const;

  // Runs `body` between BEGIN and COMMIT; on any error of either rolls back, and nothing is
  // changed.
  [[nodiscard]] absl::Status InTransaction(const std::function<absl::Status()>& body) const;

  // `code` as a status: what was done, path, SQLite's words, remedy.
  [[nodiscard]] absl::Status Error(std::string_view operation, int code) const;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  struct Closer {
    void operator()(sqlite3* database) const;
  };
  Database(std::string path, sqlite3* handle) : path_(std::move(path)), handle_(handle) {}

  std::string path_;
  std::unique_ptr<sqlite3, Closer> handle_;
};

}  // namespace adit::store
