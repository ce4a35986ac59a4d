// Equal seeds give equal worlds, in this process and in others.
#include <array>
#include <cstdio>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/sim/world.h"

namespace adit::sim {
namespace {

std::uint64_t TraceOf(Kind kind, std::uint64_t seed) {
  const auto aead = crypto::MakeAead("libsodium");
  return World(Scenario::Draw(kind, seed), **aead).Run().trace;
}

// By a process of its own, with addresses and hash seeds of its own.
std::string TraceOfAnotherProcess(Kind kind, std::uint64_t seed) {
  const std::string command = fmt::format("{}/tests_sim_replay {} {} quiet", ADIT_BINARY_DIR,
                                          kKindNames[static_cast<std::size_t>(kind)], seed);
  std::FILE* output = popen(command.c_str(), "r");
  std::array<char, 256> line{};
  std::string last;
  while (output != nullptr && std::fgets(line.data(), line.size(), output) != nullptr) {
    last = line.data();
  }
  return output != nullptr && pclose(output) == 0 ? last : "did not run: " + command;
}

TEST(Trace, IsTheSameForTheSameSeedAndAnotherForAnother) {
  for (const Kind kind : {Kind::kHosts, Kind::kRoaming, Kind::kEverything, Kind::kOrder}) {
    SCOPED_TRACE(kKindNames[static_cast<std::size_t>(kind)]);
    const std::uint64_t trace = TraceOf(kind, 3);
    const std::vector<std::vector<char>> elsewhere(100, std::vector<char>(10'000));
    EXPECT_EQ(TraceOf(kind, 3), trace);
    EXPECT_NE(TraceOf(kind, 4), trace);
  }
}

TEST(Trace, IsTheSameInEveryProcess) {
  for (const Kind kind : {Kind::kHosts, Kind::kReconfiguration, Kind::kEverything}) {
    for (const std::uint64_t seed : {std::uint64_t{5}, std::uint64_t{6}}) {
      EXPECT_EQ(TraceOfAnotherProcess(kind, seed),
                fmt::format("trace {:016x}\n", TraceOf(kind, seed)));
    }
  }
}

}  // namespace
}  // namespace adit::sim
