#include "controlplane/rpc/request_log.h"

#include <gtest/gtest.h>

namespace adit::hub {
namespace {

const Instant kStart{seconds(1000)};

RequestLog::Entry EntryOf(const StateDigest& fingerprint, const std::string& response) {
  return {fingerprint, response, 1, {}};
}

TEST(RequestLog, ReturnsWhatTheSameRequestLedToForTenMinutes) {
  RequestLog log(10);
  const StateDigest request = FingerprintOf("CreatePeer", "alice");
  EXPECT_EQ(*log.Find("id", request, kStart), nullptr);
  log.Add("id", EntryOf(request, "first"), kStart);
  EXPECT_EQ((*log.Find("id", request, kStart + seconds(599)))->response, "first");
  EXPECT_EQ(*log.Find("id", request, kStart + seconds(601)), nullptr);
}

TEST(RequestLog, RefusesTheIdOfAnotherRequest) {
  RequestLog log(10);
  log.Add("id", EntryOf(FingerprintOf("CreatePeer", "alice"), "first"), kStart);
  EXPECT_FALSE(log.Find("id", FingerprintOf("CreatePeer", "bob"), kStart).ok());
  EXPECT_FALSE(log.Find("id", FingerprintOf("DeletePeer", "alice"), kStart).ok());
  EXPECT_FALSE(log.Find(std::string(200, 'x'), FingerprintOf("CreatePeer", "bob"), kStart).ok());
}

TEST(RequestLog, ForgetsTheOldestWhenThereAreTooMany) {
  RequestLog log(2);
  const StateDigest request = FingerprintOf("CreatePeer", "alice");
  for (const char* id : {"1", "2", "3"}) {
    log.Add(id, EntryOf(request, id), kStart);
  }
  EXPECT_EQ(*log.Find("1", request, kStart), nullptr);
  EXPECT_NE(*log.Find("2", request, kStart), nullptr);
  EXPECT_NE(*log.Find("3", request, kStart), nullptr);
}

}  // namespace
}  // namespace adit::hub
