#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/bytes.h"

// What every fuzz target is made of. A target is a function over bytes that ends the process when
// something that must hold does not:
//
//   void Fuzz(Input input) { Require(…, "what must hold"); }
//   ADIT_FUZZ_TARGET(name, Fuzz)
//
// With the preset `fuzz` that makes it libFuzzer's; otherwise a test that replays corpus/name. The
// function depends on its input only: no clock, no randomness, nothing kept from call to call that
// can be seen.
namespace adit::fuzz {

inline void Require(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "fuzz: violated: %s\n", what);
    std::abort();
  }
}

// The fuzzer's bytes, read as choices from the front. At the end they go on as zeros.
class Input {
 public:
  explicit Input(ByteSpan bytes) : bytes_(bytes) {}

  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  std::uint8_t Byte() { return Number<std::uint8_t>(); }
  std::uint16_t U16() { return Number<std::uint16_t>(); }
  std::uint32_t U32() { return Number<std::uint32_t>(); }
  std::uint64_t U64() { return Number<std::uint64_t>(); }
  bool Flag() { return (Byte() & 1) != 0; }
  // [0, bound), bound <= 65536; one byte is read where that is enough.
  std::uint32_t Below(std::uint32_t bound) { return (bound <= 256 ? Byte() : U16()) % bound; }
  // At most so many bytes, borrowed.
  ByteSpan Take(std::size_t size) {
    const ByteSpan taken = bytes_.first(std::min(size, bytes_.size()));
    bytes_ = bytes_.subspan(taken.size());
    return taken;
  }
  // Likewise, as a copy whose bounds a sanitizer sees.
  std::vector<std::uint8_t> Copy(std::size_t size) {
    const ByteSpan taken = Take(size);
    return {taken.begin(), taken.end()};
  }

 private:
  template <typename T>
  T Number() {
    T value{};
    const ByteSpan taken = Take(sizeof value);
    std::copy(taken.begin(), taken.end(), reinterpret_cast<std::uint8_t*>(&value));
    return value;
  }

  ByteSpan bytes_;
};

#ifdef ADIT_LIBFUZZER

#define ADIT_FUZZ_TARGET(name, function)                                              \
  extern "C" int LLVMFuzzerInitialize(int*, char***) {                                \
    GTEST_FLAG_SET(throw_on_failure, true); /* expectations in what tests share */    \
    return 0;                                                                         \
  }                                                                                   \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) { \
    function(adit::fuzz::Input({data, size}));                                        \
    return 0;                                                                         \
  }

#else

// Every file of the corpus, in order of name; each is named before it runs, so that the last name
// of a run that died is the culprit's.
template <typename Function>
void Replay(const std::string& name, Function function) {
  const std::filesystem::path folder =
      std::filesystem::path(ADIT_SOURCE_DIR) / "tests/fuzz/corpus" / name;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  ASSERT_FALSE(files.empty()) << folder;
  for (const std::filesystem::path& file : files) {
    std::cout << file.filename().string() << std::endl;
    std::vector<std::uint8_t> bytes(std::filesystem::file_size(file));
    std::ifstream stream(file, std::ios::binary);
    stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    ASSERT_TRUE(stream.good());
    function(Input(bytes));
    ASSERT_FALSE(::testing::Test::HasFailure());
  }
}

#define ADIT_FUZZ_TARGET(name, function) \
  TEST(FuzzCorpus, name) { adit::fuzz::Replay(#name, function); }

#endif

}  // namespace adit::fuzz
