#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace adit::cli {

// Columns for people, two spaces apart, the last one not padded; no lines, no colour. Width is
// counted in UTF-8 characters.
class Table {
 public:
  explicit Table(std::vector<std::string> header) { Add(std::move(header)); }
  Table() = default;
  // "-" stands for an empty cell. Control characters are replaced: cells hold what others wrote.
  void Add(std::vector<std::string> cells);
  void Print(std::ostream& out) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// text with control characters replaced by '?'.
[[nodiscard]] std::string Printable(std::string_view text);

}  // namespace adit::cli
