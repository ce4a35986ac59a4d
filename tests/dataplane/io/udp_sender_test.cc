#include "dataplane/io/udp_sender.h"

#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataplane/io/gso_batch.h"
#include "tests/support/fake_syscalls.h"

namespace adit::io {
namespace {

using ::testing::ElementsAre;
using testing::FakeSyscalls;
using Bytes = FakeSyscalls::Bytes;

class UdpSenderTest : public ::testing::Test {
 protected:
  void SetUp() override { OpenSockets({}); }
  void OpenSockets(const UdpOptions& options) {
    auto sockets = UdpSockets::Open(kernel_, options);
    ASSERT_TRUE(sockets.ok());
    sockets_.emplace(std::move(*sockets));
    sender_.emplace(kernel_, *sockets_, clock_);
  }
  // `count` datagrams of 100 bytes and a last one of 40; datagram i is full of i.
  SendResult Send(const packet::DatagramPath& path, std::uint32_t count, bool use_gso) {
    bytes_.clear();
    for (std::uint32_t i = 0; i < count; ++i) {
      bytes_.insert(bytes_.end(), i + 1 == count ? 40 : 100, static_cast<std::uint8_t>(i));
    }
    return sender_->Send({.bytes = bytes_,
                          .segment_size = count == 1 ? 40U : 100U,
                          .count = count,
                          .path = path,
                          .use_gso = use_gso});
  }
  SendResult SendToV4(std::uint32_t count, bool use_gso) { return Send(v4_, count, use_gso); }

  const packet::DatagramPath v4_{.remote = *Endpoint::Parse("192.0.2.1:1000"), .source = {}};
  const packet::DatagramPath v6_{.remote = *Endpoint::Parse("[2001:db8::1]:1000"), .source = {}};
  FakeSyscalls kernel_;
  SystemClock clock_;
  std::optional<UdpSockets> sockets_;
  std::optional<UdpSender> sender_;
  Bytes bytes_;
};

void ExpectResult(const SendResult& result, std::uint32_t sent, int error) {
  EXPECT_EQ(result.datagrams_sent, sent);
  EXPECT_EQ(result.error, error);
}

TEST_F(UdpSenderTest, TrainLeavesWithOneCallAndItsAttributes) {
  packet::DatagramPath path = v4_;
  path.source = {*IpAddress::Parse("198.51.100.7"), 0};
  path.tos = 0x8b;
  ExpectResult(Send(path, 5, true), 5, 0);
  ASSERT_EQ(kernel_.sent.size(), 1U);
  EXPECT_EQ(kernel_.sent[0].bytes, bytes_);
  EXPECT_EQ(kernel_.sent[0].segment_size, 100);
  EXPECT_EQ(kernel_.sent[0].remote, path.remote);
  EXPECT_EQ(kernel_.sent[0].source, *IpAddress::Parse("198.51.100.7"));
  EXPECT_EQ(kernel_.sent[0].tos, 0x8b);
}

TEST_F(UdpSenderTest, Ipv6CarriesItsOwnControlMessages) {
  packet::DatagramPath path = v6_;
  path.remote = *Endpoint::Parse("[fe80::1%4]:1000");
  path.source = {*IpAddress::Parse("fe80::2"), 4};
  path.tos = 1;
  ExpectResult(Send(path, 2, true), 2, 0);
  EXPECT_EQ(kernel_.sent[0].source, *IpAddress::Parse("fe80::2"));
  EXPECT_EQ(kernel_.sent[0].interface_index, 4U);
  EXPECT_EQ(kernel_.sent[0].tos, 1);
  EXPECT_EQ(kernel_.sent[0].remote.scope, 4U);
}

TEST_F(UdpSenderTest, WhatIsNotSetIsLeftToTheKernel) {
  ExpectResult(SendToV4(1, false), 1, 0);
  EXPECT_EQ(kernel_.sent[0].segment_size, std::nullopt);
  EXPECT_EQ(kernel_.sent[0].tos, std::nullopt);
  EXPECT_FALSE(kernel_.sent[0].source.is_set());
}

TEST_F(UdpSenderTest, WithoutGsoEachDatagramIsOneOfItsOwn) {
  packet::DatagramPath path = v4_;
  path.tos = 2;
  ExpectResult(Send(path, 4, false), 4, 0);
  ASSERT_EQ(kernel_.sent.size(), 4U);
  for (std::uint8_t i = 0; i < 4; ++i) {
    EXPECT_EQ(kernel_.sent[i].bytes, Bytes(i == 3 ? 40 : 100, i));
    EXPECT_EQ(kernel_.sent[i].tos, 2);
    EXPECT_EQ(kernel_.sent[i].segment_size, std::nullopt);
  }
  EXPECT_THAT(kernel_.sends, ElementsAre(4));
}

TEST_F(UdpSenderTest, PartOfTheDatagramsIsReportedAsSuch) {
  kernel_.sendmmsg_takes = 3;
  ExpectResult(SendToV4(5, false), 3, 0);
}

TEST_F(UdpSenderTest, FullTrainWithoutGsoIsOneCall) {
  ExpectResult(SendToV4(kMaxSegmentsPerSend, false), kMaxSegmentsPerSend, 0);
  EXPECT_THAT(kernel_.sends, ElementsAre(kMaxSegmentsPerSend));
}

TEST_F(UdpSenderTest, EveryErrorIsReportedAndInterruptionsAreRepeated) {
  for (const int error : {EAGAIN, ENOBUFS, EMSGSIZE, EINVAL, EPERM, EACCES, ENETUNREACH,
                          EHOSTUNREACH, ENETDOWN, ECONNREFUSED, EIO, ENOMEM}) {
    kernel_.Fail("sendmsg", EINTR, 2);
    kernel_.Fail("sendmsg", error);
    ExpectResult(SendToV4(3, true), 0, error);
    kernel_.Fail("sendmmsg", EINTR, 2);
    kernel_.Fail("sendmmsg", error);
    ExpectResult(SendToV4(3, false), 0, error);
  }
  EXPECT_TRUE(kernel_.sent.empty());
  kernel_.Fail("sendmsg", EINTR, 2);
  ExpectResult(SendToV4(3, true), 3, 0);
}

TEST_F(UdpSenderTest, FamilyThatTheHostLacksIsAnError) {
  kernel_.Fail("socket AF_INET6", EAFNOSUPPORT);
  OpenSockets({});
  ExpectResult(Send(v6_, 1, false), 0, EAFNOSUPPORT);
  ExpectResult(Send(v4_, 1, false), 1, 0);
}

TEST_F(UdpSenderTest, SocketWithoutSegmentationRefusesTrainsAndTakesDatagrams) {
  OpenSockets({.gso = OffloadSwitch::kOff});
  ExpectResult(SendToV4(3, true), 0, EIO);
  ExpectResult(SendToV4(3, false), 3, 0);
}

TEST_F(UdpSenderTest, PauseEndsAfterAMillisecond) {
  std::uint32_t attempt = 0;
  while (sender_->PauseForBuffers(attempt)) ++attempt;
  EXPECT_GT(attempt, 0U);
}

}  // namespace
}  // namespace adit::io
