#include "dataplane/uapi/request_parser.h"

#include <cerrno>
#include <random>

#include <gtest/gtest.h>

#include "tests/dataplane/uapi/fake_device.h"

namespace adit::uapi {
namespace {

std::uint32_t Resolve(const std::string& interface) { return interface == "eth7" ? 7 : 0; }

// A parser that was given this text.
class Parsed {
 public:
  explicit Parsed(const std::string& text) : parser_(Resolve) { consumed = parser_.Consume(text); }
  RequestParser* operator->() { return &parser_; }
  std::size_t consumed = 0;

 private:
  RequestParser parser_;
};

// More than half of what may be sent, byte by byte.
TEST(RequestParser, CountsARequestsBytesOnceHoweverItIsCut) {
  Parsed parsed("set=1\npublic_key=" + kHexA + "\n");
  const std::string line = "update_only=true\n";
  for (std::size_t sent = 0; sent <= RequestParser::kMaxRequest / 2; sent += line.size()) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      (void)parsed->Consume(std::string_view(line).substr(i, 1));
    }
  }
  (void)parsed->Consume("\n");
  ASSERT_TRUE(parsed->is_complete());
  EXPECT_EQ(parsed->error().error, 0) << parsed->error().text;
}

TEST(RequestParser, ReadsAGet) {
  Parsed parsed("get=1\n\n");
  ASSERT_TRUE(parsed->is_complete());
  EXPECT_EQ(parsed->operation(), Operation::kGet);
  EXPECT_EQ(parsed->error().error, 0);
  EXPECT_EQ(parsed.consumed, 7U);
}

TEST(RequestParser, ReadsEveryKeyOfASet) {
  Parsed parsed("set=1\nprivate_key=" + kHexA +
                "\nlisten_port=51820\nfwmark=4294967295\nreplace_peers=true\npublic_key=" + kHexB +
                "\nupdate_only=true\npreshared_key=" + kHexA +
                "\nendpoint=[2001:db8::1]:3233\npersistent_keepalive_interval=65535\n"
                "replace_allowed_ips=true\nallowed_ip=10.0.0.7/8\nallowed_ip=fd00::/64\n"
                "allowed_ip=-192.0.2.0/24\nprotocol_version=1\npublic_key=" +
                kHexA + "\nremove=true\n\n");
  ASSERT_TRUE(parsed->is_complete());
  ASSERT_EQ(parsed->error().error, 0) << parsed->error().text;
  const SetRequest& set = parsed->set_request();
  ASSERT_TRUE(set.private_key.has_value());
  EXPECT_EQ(set.private_key->bytes()[31], 0xaa);
  EXPECT_EQ(set.listen_port, 51820);
  EXPECT_EQ(set.firewall_mark, 4294967295U);
  EXPECT_TRUE(set.replace_peers);
  ASSERT_EQ(set.peers.size(), 2U);
  const engine::PeerPatch& peer = set.peers[0];
  EXPECT_EQ(peer.public_key.ToHex(), kHexB);
  EXPECT_TRUE(peer.update_only);
  EXPECT_FALSE(peer.remove);
  EXPECT_EQ(peer.preshared_key->bytes()[0], 0xaa);
  EXPECT_EQ(peer.endpoint, Endpoint::Parse("[2001:db8::1]:3233"));
  EXPECT_EQ(peer.persistent_keepalive, 65535);
  EXPECT_TRUE(peer.replace_allowed_ips);
  EXPECT_EQ(peer.allowed_ips,
            (std::vector{*IpPrefix::Parse("10.0.0.0/8"), *IpPrefix::Parse("fd00::/64")}));
  EXPECT_EQ(peer.removed_allowed_ips, std::vector{*IpPrefix::Parse("192.0.2.0/24")});
  EXPECT_TRUE(set.peers[1].remove);
}

TEST(RequestParser, LeavesAbsentKeysUnset) {
  Parsed parsed("set=1\npublic_key=" + kHexB + "\n\n");
  const SetRequest& set = parsed->set_request();
  EXPECT_FALSE(set.private_key || set.listen_port || set.firewall_mark || set.replace_peers);
  ASSERT_EQ(set.peers.size(), 1U);
  const engine::PeerPatch& peer = set.peers[0];
  EXPECT_FALSE(peer.remove || peer.update_only || peer.preshared_key || peer.endpoint ||
               peer.persistent_keepalive || peer.replace_allowed_ips);
}

TEST(RequestParser, TakesTheScopeOfALinkLocalEndpointAsNameOrNumber) {
  for (const char* scope : {"eth7", "7"}) {
    Parsed parsed("set=1\npublic_key=" + kHexB + "\nendpoint=[fe80::1%" + scope + "]:9\n\n");
    ASSERT_EQ(parsed->error().error, 0) << parsed->error().text;
    EXPECT_EQ(parsed->set_request().peers[0].endpoint->scope, 7U);
  }
  Parsed unknown("set=1\npublic_key=" + kHexB + "\nendpoint=[fe80::1%nope]:9\n\n");
  EXPECT_EQ(unknown->error().error, EINVAL);
}

TEST(RequestParser, KeepsTheOrderOfAddedAndRemovedPrefixes) {
  const std::string head = "set=1\npublic_key=" + kHexB + "\n";
  Parsed added_then_removed(head + "allowed_ip=10.0.0.0/8\nallowed_ip=-10.0.0.0/8\n\n");
  EXPECT_TRUE(added_then_removed->set_request().peers[0].allowed_ips.empty());
  Parsed removed_then_added(head + "allowed_ip=-10.0.0.0/8\nallowed_ip=10.0.0.0/8\n\n");
  EXPECT_EQ(removed_then_added->set_request().peers[0].allowed_ips.size(), 1U);
  Parsed replaced(head + "allowed_ip=10.0.0.0/8\nreplace_allowed_ips=true\n\n");
  EXPECT_TRUE(replaced->set_request().peers[0].allowed_ips.empty());
}

struct BadLine {
  std::string line;
  std::string named;  // part of the error's text
};

class BadLines : public ::testing::TestWithParam<BadLine> {};

TEST_P(BadLines, AreRefusedWithLineKeyAndWhatWasExpected) {
  Parsed parsed("set=1\n" + GetParam().line + "\npublic_key=" + kHexA + "\n\n");
  ASSERT_TRUE(parsed->is_complete());
  EXPECT_EQ(parsed->error().error, EINVAL);
  EXPECT_NE(parsed->error().text.find(GetParam().named), std::string::npos) << parsed->error().text;
  EXPECT_TRUE(parsed->set_request().peers.empty()) << "nothing of a bad request is kept";
}

const std::string kPeer = "public_key=" + kHexB + "\n";

INSTANTIATE_TEST_SUITE_P(
    Device, BadLines,
    ::testing::Values(BadLine{"listen_port=70000", "listen_port: '70000'"},
                      BadLine{"listen_port=-1", "0 to 65535"}, BadLine{"listen_port=", "line 2"},
                      BadLine{"listen_port= 1", "listen_port"},
                      BadLine{"fwmark=4294967296", "fwmark"}, BadLine{"fwmark=0x1", "fwmark"},
                      BadLine{"replace_peers=false", "replace_peers: 'false' is not true"},
                      BadLine{"private_key=" + std::string(63, 'a'), "64 hexadecimal digits"},
                      BadLine{"private_key=" + std::string(64, 'g'), "private_key"},
                      BadLine{"public_key=abc", "public_key"},
                      BadLine{"endpoint=1.2.3.4:5", "endpoint"},
                      BadLine{"colour=red", "'colour' is not a key of a device"},
                      BadLine{"listen_port", "key=value"}, BadLine{"=", "''"},
                      BadLine{"get=1", "'get'"},
                      BadLine{std::string(600, 'x'), "longer than 512"}));

INSTANTIATE_TEST_SUITE_P(
    Peer, BadLines,
    ::testing::Values(BadLine{kPeer + "remove=1", "line 3: remove"},
                      BadLine{kPeer + "update_only=no", "update_only"},
                      BadLine{kPeer + "replace_allowed_ips=", "replace_allowed_ips"},
                      BadLine{kPeer + "preshared_key=zz", "preshared_key"},
                      BadLine{kPeer + "endpoint=example.org:51820", "endpoint"},
                      BadLine{kPeer + "endpoint=192.0.2.1", "endpoint"},
                      BadLine{kPeer + "endpoint=192.0.2.1:0", "endpoint"},
                      BadLine{kPeer + "endpoint=192.0.2.1:65536", "endpoint"},
                      BadLine{kPeer + "endpoint=[::1:51820", "endpoint"},
                      BadLine{kPeer + "persistent_keepalive_interval=65536", "seconds"},
                      BadLine{kPeer + "persistent_keepalive_interval=off", "seconds"},
                      BadLine{kPeer + "allowed_ip=10.0.0.0/33", "allowed_ip"},
                      BadLine{kPeer + "allowed_ip=--10.0.0.0/8", "allowed_ip"},
                      BadLine{kPeer + "allowed_ip=", "allowed_ip"},
                      BadLine{kPeer + "protocol_version=2", "protocol_version"},
                      BadLine{kPeer + "listen_port=1", "'listen_port' is not a key of a peer"}));

TEST(RequestParser, NamesNoSecretInAnError) {
  Parsed parsed("set=1\nprivate_key=" + kHexA + "z\n\n");
  EXPECT_EQ(parsed->error().error, EINVAL);
  EXPECT_EQ(parsed->error().text.find("aaaa"), std::string::npos);
}

TEST(RequestParser, RefusesUnknownOperations) {
  for (const char* text : {"\n", "get=2\n\n", "put=1\n\n", "set=1 \n\n", "private_key=00\n\n",
                           "get=1\nlisten_port=1\n\n"}) {
    Parsed parsed(text);
    ASSERT_TRUE(parsed->is_complete()) << text;
    EXPECT_EQ(parsed->error().error, EINVAL) << text;
  }
}

TEST(RequestParser, ReadsABadRequestToItsEndAndTheNextOneAfresh) {
  const std::string bad = "set=1\nnonsense\nlisten_port=1\n\n";
  RequestParser parser(Resolve);
  EXPECT_EQ(parser.Consume(bad + "get=1\n\n"), bad.size());
  EXPECT_EQ(parser.error().error, EINVAL);
  EXPECT_EQ(parser.Consume("get=1\n\n"), 0U) << "not before Reset";
  parser.Reset();
  EXPECT_EQ(parser.Consume("get=1\n\n"), 7U);
  EXPECT_EQ(parser.error().error, 0);
  EXPECT_EQ(parser.operation(), Operation::kGet);
}

TEST(RequestParser, TakesTheEndOfTheStreamAsTheEndOfARequestAfterAWholeLine) {
  Parsed whole("set=1\nlisten_port=51820\n");
  EXPECT_FALSE(whole->is_complete());
  whole->HandleEnd();
  ASSERT_TRUE(whole->is_complete());
  EXPECT_EQ(whole->set_request().listen_port, 51820);

  Parsed cut("set=1\nlisten_port=518");
  cut->HandleEnd();
  ASSERT_TRUE(cut->is_complete());
  EXPECT_EQ(cut->error().error, EPROTO);

  Parsed nothing("");
  nothing->HandleEnd();
  EXPECT_FALSE(nothing->is_complete());
}

TEST(RequestParser, RefusesARequestBeyondTheBound) {
  RequestParser parser(Resolve);
  (void)parser.Consume("set=1\npublic_key=" + kHexB + "\n");
  std::string block;
  while (block.size() < 64 * 1024) {
    block += "allowed_ip=10.0.0.0/8\n";
  }
  for (std::size_t sent = 0; sent <= RequestParser::kMaxRequest; sent += block.size()) {
    ASSERT_EQ(parser.Consume(block), block.size());
  }
  (void)parser.Consume("\n");
  ASSERT_TRUE(parser.is_complete());
  EXPECT_EQ(parser.error().error, EMSGSIZE);
}

TEST(RequestParser, ReadsTheSameInPiecesOfAnySize) {
  const std::string text = "set=1\nprivate_key=" + kHexA + "\nlisten_port=7\npublic_key=" + kHexB +
                           "\nallowed_ip=10.0.0.0/8\n\n";
  for (std::size_t step = 1; step < 40; ++step) {
    RequestParser parser(Resolve);
    for (std::size_t at = 0; at < text.size(); at += step) {
      const auto piece = std::string_view(text).substr(at, step);
      ASSERT_EQ(parser.Consume(piece), piece.size());
    }
    ASSERT_TRUE(parser.is_complete());
    ASSERT_EQ(parser.error().error, 0) << parser.error().text;
    EXPECT_EQ(parser.set_request().listen_port, 7);
    EXPECT_EQ(parser.set_request().peers[0].allowed_ips.size(), 1U);
  }
}

TEST(RequestParser, SurvivesBrokenText) {
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  const std::string good = "set=1\nprivate_key=" + kHexA + "\nlisten_port=7\npublic_key=" + kHexB +
                           "\nendpoint=[fe80::1%eth7]:1\nallowed_ip=-10.0.0.0/8\n\nget=1\n\n";
  for (int round = 0; round < 5000; ++round) {
    std::string text = good;
    for (std::size_t i = random() % 6; i != 0; --i) {
      text[random() % text.size()] = static_cast<char>(random());
    }
    text.resize(random() % (text.size() + 1));
    RequestParser parser(Resolve);
    for (std::size_t at = 0; at < text.size();) {
      at += parser.Consume(std::string_view(text).substr(at, 1 + random() % 50));
      if (parser.is_complete()) {
        parser.Reset();
      }
    }
    parser.HandleEnd();
  }
}

}  // namespace
}  // namespace adit::uapi
