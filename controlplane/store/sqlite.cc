#include "controlplane/store/sqlite.h"

#include <sqlite3.h>

#include <cerrno>

#include <fmt/format.h>

#include "common/status.h"

namespace adit::store {
namespace {

// Tells reading a damaged file from a full disk by what SQLite says and by errno.
absl::StatusCode CodeOf(int primary, int error_number) {
  if (primary == SQLITE_FULL || error_number == ENOSPC || error_number == EDQUOT) {
    return absl::StatusCode::kResourceExhausted;
  }
  switch (primary) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::StatusCode::kDataLoss;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::StatusCode::kFailedPrecondition;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return absl::StatusCode::kPermissionDenied;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_MISUSE:
    case SQLITE_ERROR:
      return absl::StatusCode::kInternal;
    default:
      return absl::StatusCode::kUnavailable;
  }
}

std::string_view RemedyFor(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kResourceExhausted:
      return " (free space on that file system; nothing was stored)";
    case absl::StatusCode::kDataLoss:
      return " (the file is damaged: stop the control plane, keep a copy of it, and put a backup "
             "in its place)";
    case absl::StatusCode::kFailedPrecondition:
      return " (another process has it open: stop that one, or choose another --store)";
    case absl::StatusCode::kPermissionDenied:
      return " (the file and its directory must be writable for the control plane's user)";
    case absl::StatusCode::kUnavailable:
      return " (the disk reports errors: check it)";
    default:
      return "";
  }
}

}  // namespace

void Statement::Finalizer::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}
void Database::Closer::operator()(sqlite3* database) const { sqlite3_close(database); }

Statement& Statement::Bind(std::int64_t value) {
  bind_error_ |= sqlite3_bind_int64(statement_.get(), NextParameter(), value);
  return *this;
}

Statement& Statement::Bind(std::string_view text) {
  bind_error_ |= sqlite3_bind_text64(statement_.get(), NextParameter(), text.data(), text.size(),
                                     SQLITE_TRANSIENT, SQLITE_UTF8);
  return *this;
}

Statement& Statement::BindBlob(ByteSpan bytes) {
  bind_error_ |= sqlite3_bind_blob64(statement_.get(), NextParameter(), bytes.data(), bytes.size(),
                                     SQLITE_TRANSIENT);
  return *this;
}

Statement& Statement::BindNull() {
  bind_error_ |= sqlite3_bind_null(statement_.get(), NextParameter());
  return *this;
}

absl::StatusOr<bool> Statement::Step() {
  if (bind_error_ != SQLITE_OK) {
    return Internal(fmt::format("{}: a parameter does not fit \"{}\"", database_->path(),
                                sqlite3_sql(statement_.get())));
  }
  const int result = sqlite3_step(statement_.get());
  if (result == SQLITE_ROW || result == SQLITE_DONE) {
    return result == SQLITE_ROW;
  }
  return database_->Error("use", result);
}

absl::Status Statement::Run() {
  const auto row = Step();
  Reset();
  return row.status();
}

void Statement::Reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
  bound_ = 0;
  bind_error_ = SQLITE_OK;
}

std::int64_t Statement::Int(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string Statement::Text(int column) const {
  const unsigned char* text = sqlite3_column_text(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  return text == nullptr
             ? std::string()
             : std::string(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
}

std::string Statement::Blob(int column) const {
  const void* blob = sqlite3_column_blob(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  return blob == nullptr
             ? std::string()
             : std::string(static_cast<const char*>(blob), static_cast<std::size_t>(size));
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

absl::StatusOr<Database> Database::Open(const std::string& path) {
  sqlite3* handle = nullptr;
  const int result = sqlite3_open_v2(
      path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE,
      nullptr);
  Database database(path, handle);
  if (result != SQLITE_OK) {
    return database.Error("open", result);
  }
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  for (const char* pragma :
       {"PRAGMA locking_mode = EXCLUSIVE", "PRAGMA trusted_schema = OFF",
        "PRAGMA cell_size_check = ON", "PRAGMA secure_delete = ON", "PRAGMA foreign_keys = ON",
        "PRAGMA temp_store = MEMORY", "PRAGMA synchronous = FULL"}) {
    RETURN_IF_ERROR(database.Execute(pragma));
  }
  return database;
}

absl::Status Database::Execute(const std::string& sql) const {
  const int result = sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  return result == SQLITE_OK ? absl::OkStatus() : Error("use", result);
}

absl::StatusOr<Statement> Database::Prepare(std::string_view sql) const {
  sqlite3_stmt* statement = nullptr;
  const int result = sqlite3_prepare_v2(handle_.get(), sql.data(), static_cast<int>(sql.size()),
                                        &statement, nullptr);
  if (result != SQLITE_OK) {
    return Error("use", result);
  }
  return Statement(*this, statement);
}

absl::StatusOr<std::int64_t> Database::QueryInt(std::string_view sql) const {
  ASSIGN_OR_RETURN(Statement statement, Prepare(sql));
  RETURN_IF_ERROR(statement.Step().status());
  return statement.Int(0);
}

absl::StatusOr<std::string> Database::QueryText(std::string_view sql) const {
  ASSIGN_OR_RETURN(Statement statement, Prepare(sql));
  RETURN_IF_ERROR(statement.Step().status());
  return statement.Text(0);
}

absl::Status Database::InTransaction(const std::function<absl::Status()>& body) const {
  RETURN_IF_ERROR(Execute("BEGIN IMMEDIATE"));
  absl::Status status = body();
  if (status.ok()) {
    status = Execute("COMMIT");
  }
  // Some errors have rolled back by themselves.
  if (!status.ok() && sqlite3_get_autocommit(handle_.get()) == 0) {
    Execute("ROLLBACK").IgnoreError();  // the first error is the one to report
  }
  return status;
}

absl::Status Database::Error(std::string_view operation, int code) const {
  const int error_number = handle_ != nullptr ? sqlite3_system_errno(handle_.get()) : 0;
  const int primary = code & 0xff;
  const bool is_about_files =
      primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN || primary == SQLITE_FULL;
  const absl::StatusCode status_code = CodeOf(primary, is_about_files ? error_number : 0);
  const char* words = handle_ != nullptr ? sqlite3_errmsg(handle_.get()) : sqlite3_errstr(code);
  std::string message = fmt::format("{} store {}: {}", operation, path_, words);
  if (is_about_files && error_number != 0) {
    message += ": " + std::string(MessageOf(ErrnoStatus(error_number, "system")));
  }
  message += RemedyFor(status_code);
  return {status_code, message};
}

}  // namespace adit::store
