#pragma once

#include <functional>
#include <string>

#include <gtest/gtest.h>

namespace adit::host {

// A fixture whose every case runs in a network and mount namespace of its own; they end with the
// last process in them.
class HostNamespace : public testing::Test {
 protected:
  void SetUp() override;

  // A persistent TUN, as a killed data plane leaves it.
  static void MakeTun(const std::string& name);
  // A veth pair NAME and NAMEx, both up.
  static void MakeVeth(const std::string& name);
};

// Runs a shell command that has to succeed; what it wrote to either stream.
std::string Must(const std::string& command);

// Runs `body` in a forked child and waits for it. True when it returned true and nothing it
// expected failed.
[[nodiscard]] bool InChild(const std::function<bool()>& body);

// Without the newline at the end; "" when it cannot be read.
[[nodiscard]] std::string ReadFile(const std::string& path);

}  // namespace adit::host
