#include "controlplane/cli/qr_code.h"

#include <qrencode.h>
#include <sodium.h>

#include <cstdint>
#include <memory>

namespace adit::cli {
namespace {

constexpr int kQuietZone = 2;  // modules; four by the standard, two are enough on a screen

// libqrencode does not wipe what it frees.
struct FreeCode {
  void operator()(QRcode* code) const {
    sodium_memzero(code->data,
                   static_cast<std::size_t>(code->width) * static_cast<std::size_t>(code->width));
    QRcode_free(code);
  }
};

}  // namespace

bool PrintQrCode(std::string_view text, std::ostream& out) {
  const std::unique_ptr<QRcode, FreeCode> code(
      QRcode_encodeData(static_cast<int>(text.size()),
                        reinterpret_cast<const unsigned char*>(text.data()), 0, QR_ECLEVEL_L));
  if (code == nullptr) {
    return false;
  }
  const auto is_dark = [&](int row, int column) {
    const bool is_inside = row >= 0 && column >= 0 && row < code->width && column < code->width;
    return is_inside && (code->data[row * code->width + column] & 1) != 0;
  };
  for (int row = -kQuietZone; row < code->width + kQuietZone; row += 2) {
    for (int column = -kQuietZone; column < code->width + kQuietZone; ++column) {
      const bool upper = !is_dark(row, column);
      const bool lower = !is_dark(row + 1, column) && row + 1 < code->width + kQuietZone;
      out << (upper && lower ? "█" : upper ? "▀" : lower ? "▄" : " ");
    }
    out << "\n";
  }
  return true;
}

}  // namespace adit::cli
