#pragma once

#include <cstdint>

namespace adit::crypto {

// Calls of malloc, calloc, realloc and their kin by this process so far, from any library: the test
// program's own definitions stand in front of libc's.
[[nodiscard]] std::uint64_t MallocCount();

}  // namespace adit::crypto
