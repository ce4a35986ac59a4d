#pragma once

#include <ostream>
#include <string_view>

namespace adit::cli {

// Draws text as a QR code in UTF-8 half blocks, two modules a line, light on dark as terminals are.
// False, and nothing drawn, when the text does not fit into one (about 2,900 bytes).
[[nodiscard]] bool PrintQrCode(std::string_view text, std::ostream& out);

}  // namespace adit::cli
