#include "common/account.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/status.h"

namespace adit {
namespace {

using testing::HasSubstr;

TEST(Account, ANumberNeedsNoAccount) {
  EXPECT_EQ(*ResolveAccount("64061", "--user"), (Account{64061, 64061}));
  EXPECT_EQ(*ResolveAccount("64061:64062", "--user"), (Account{64061, 64062}));
  EXPECT_EQ(*ResolveAccount("4294967294:0", "--user"), (Account{4294967294U, 0}));
}

TEST(Account, ANameBringsItsPrimaryGroup) {
  EXPECT_EQ(*ResolveAccount("root", "--user"), (Account{0, 0}));
  EXPECT_EQ(*ResolveAccount("daemon", "--user"), (Account{1, 1}));
  EXPECT_EQ(*ResolveAccount("1", "--user"), (Account{1, 1}));
  EXPECT_EQ(*ResolveAccount("daemon:7", "--user"), (Account{1, 7}));
  EXPECT_EQ(*ResolveAccount("7:daemon", "--user"), (Account{7, 1}));
}

TEST(Account, AnUnknownNameSaysWhatToGive) {
  const absl::Status user = ResolveAccount("nosuchaccount", "--user").status();
  EXPECT_TRUE(absl::IsNotFound(user));
  EXPECT_THAT(MessageOf(user), HasSubstr("--user nosuchaccount"));
  EXPECT_THAT(MessageOf(user), HasSubstr("UID:GID"));
  const absl::Status group = ResolveAccount("1:nosuchgroup", "--admin-user").status();
  EXPECT_TRUE(absl::IsNotFound(group));
  EXPECT_THAT(MessageOf(group), HasSubstr("no group nosuchgroup"));
}

TEST(Account, WhatIsNeitherIsRefused) {
  for (const char* text : {"", ":", "1:", ":1", "1:2:3", "4294967295", "99999999999999999999",
                           "1:4294967295", "daemon:"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ResolveAccount(text, "--user").status())) << text;
  }
  EXPECT_FALSE(ResolveAccount("-1", "--user").ok());
  EXPECT_FALSE(ResolveAccount("0x10", "--user").ok());
}

}  // namespace
}  // namespace adit
