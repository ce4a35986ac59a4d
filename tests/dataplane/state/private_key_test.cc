#include "dataplane/state/private_key.h"

#include <sys/stat.h>

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/status.h"
#include "dataplane/crypto/secret.h"
#include "tests/dataplane/state/temp_directory.h"

namespace adit::state {
namespace {

using ::testing::HasSubstr;

class PrivateKeyTest : public ::testing::Test {
 protected:
  const TempDirectory temp_;
  const StateDirectory directory_ = StateDirectory::Open(temp_.path()).value();
};

TEST_F(PrivateKeyTest, IsMadeOnceAndKept) {
  const auto first = LoadOrCreatePrivateKey(directory_);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_FALSE(crypto::IsAllZero(first->bytes()));
  EXPECT_EQ(first->bytes()[0] & 7, 0);
  EXPECT_EQ(first->bytes()[31] & 0xc0, 0x40);
  const auto second = LoadOrCreatePrivateKey(directory_);
  ASSERT_TRUE(second.ok());
  EXPECT_TRUE(crypto::ConstantTimeEqual(first->bytes(), second->bytes()));
  struct stat status {};
  ASSERT_EQ(stat(temp_.File(kPrivateKeyName).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST_F(PrivateKeyTest, IsReadAsWgGenkeyWritesIt) {
  const std::string text = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH0A=";
  for (const char* end : {"", "\n"}) {
    WriteFileOf(temp_.File(kPrivateKeyName), text + end);
    const auto key = LoadOrCreatePrivateKey(directory_);
    ASSERT_TRUE(key.ok()) << key.status();
    EXPECT_EQ(key->bytes()[0], 1);
    EXPECT_EQ(key->bytes()[31], 0x40);
  }
}

TEST_F(PrivateKeyTest, IsNeverReplacedWhenItCannotBeUsed) {
  const std::string good = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH0A=";
  const std::vector<std::string> bad = {"",
                                        "\n",
                                        "rubbish\n",
                                        good.substr(1) + "\n",
                                        good + "\n\n",
                                        good + "x",
                                        good + "\nmore",
                                        std::string(43, 'A') + "=\n",
                                        good.substr(0, 43) + "*\n",
                                        std::string(10'000, 'A')};
  for (const std::string& content : bad) {
    WriteFileOf(temp_.File(kPrivateKeyName), content);
    const auto key = LoadOrCreatePrivateKey(directory_);
    EXPECT_TRUE(absl::IsDataLoss(key.status())) << content;
    EXPECT_THAT(MessageOf(key.status()), HasSubstr("--public-key"));
    EXPECT_EQ(ReadFileOf(temp_.File(kPrivateKeyName)), content);
  }
}

TEST_F(PrivateKeyTest, IsRefusedWhenOthersCouldHaveReadIt) {
  const std::string good = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH0A=\n";
  WriteFileOf(temp_.File(kPrivateKeyName), good, 0640);
  auto key = LoadOrCreatePrivateKey(directory_);
  ASSERT_TRUE(absl::IsFailedPrecondition(key.status()));
  EXPECT_THAT(MessageOf(key.status()), HasSubstr("mode 0640"));

  WriteFileOf(temp_.File(kPrivateKeyName), good, 0600);
  ASSERT_EQ(chown(temp_.File(kPrivateKeyName).c_str(), 12345, 0), 0);
  key = LoadOrCreatePrivateKey(directory_);
  ASSERT_TRUE(absl::IsFailedPrecondition(key.status()));
  EXPECT_THAT(MessageOf(key.status()), HasSubstr("owner 12345"));
}

}  // namespace
}  // namespace adit::state
