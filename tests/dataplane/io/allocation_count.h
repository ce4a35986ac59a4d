#pragma once

#include <cstdint>

namespace adit::io {

// Calls of operator new by this test program so far.
[[nodiscard]] std::uint64_t AllocationCount();

}  // namespace adit::io
