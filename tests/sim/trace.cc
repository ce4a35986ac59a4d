#include "tests/sim/trace.h"

namespace adit::sim {

void Trace::Add(ByteSpan bytes) {
  Add(bytes.size());
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    Add(LoadLe64(bytes.data()));
  }
  for (const std::uint8_t byte : bytes) {
    Add(byte);
  }
}

}  // namespace adit::sim
