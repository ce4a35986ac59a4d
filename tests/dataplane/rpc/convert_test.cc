#include "dataplane/rpc/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/dataplane/rpc/objects.h"

namespace adit::rpc {
namespace {

using testing::StoredObject;
namespace pb = ::adit::dataplane::v1;

std::optional<Problem> Parse(const StoredObject& object, ParsedObject& out,
                             const Limits& limits = testing::TestLimits()) {
  return ParseObject({object.kind, object.key, object.body}, limits, out);
}
// "field code", or "" when it is accepted.
std::string RefusalOf(const StoredObject& object) {
  ParsedObject out;
  const auto problem = Parse(object, out);
  if (!problem) {
    return "";
  }
  EXPECT_NE(problem->text, "");
  return problem->field + " " + problem->code;
}
StoredObject Peer(const std::function<void(pb::PeerConfig&)>& change) {
  pb::PeerConfig body = testing::PeerBody(1, {"100.64.0.7/32", "fd00:2021:1111::7/128"});
  change(body);
  return {kPeerKind, testing::KeyBytes(1), body.SerializeAsString()};
}
StoredObject Resource(const std::function<void(pb::ResourceConfig&)>& change) {
  pb::ResourceConfig body = testing::ResourceBody("r", {"10.0.0.0/24"});
  change(body);
  return {kResourceKind, "r", body.SerializeAsString()};
}
StoredObject Rule(const std::function<void(pb::TrafficRule&)>& change) {
  return Resource([&](pb::ResourceConfig& body) {
    pb::TrafficRule& rule = *body.mutable_rules()->add_rules();
    rule.set_protocol(pb::TrafficRule::PROTOCOL_TCP);
    rule.mutable_ports()->set_first(80);
    rule.mutable_ports()->set_last(443);
    change(rule);
  });
}
StoredObject Grant(const std::function<void(pb::GrantConfig&)>& change) {
  StoredObject object = testing::Grant(1, "r");
  pb::GrantConfig body;
  EXPECT_TRUE(body.ParseFromString(object.body));
  change(body);
  object.body = body.SerializeAsString();
  return object;
}

TEST(Convert, ReadsAPeer) {
  ParsedObject out;
  ASSERT_FALSE(Parse(Peer([](pb::PeerConfig& body) {
                       body.set_preshared_key(std::string(32, 'k'));
                       body.set_endpoint("[2001:db8::1]:51820");
                       body.set_persistent_keepalive(25);
                     }),
                     out));
  const auto& peer = std::get<PeerObject>(out);
  EXPECT_EQ(peer.public_key, testing::KeyOf(1));
  EXPECT_EQ(peer.preshared_key.value().bytes()[0], 'k');
  EXPECT_EQ(peer.endpoint, Endpoint::Parse("[2001:db8::1]:51820"));
  EXPECT_EQ(peer.persistent_keepalive, 25);
  EXPECT_EQ(peer.allowed_ips.size(), 2U);
}

TEST(Convert, RefusesAPeer) {
  using P = pb::PeerConfig;
  const auto none = [](P&) {};
  EXPECT_EQ(RefusalOf(Peer(none)), "");
  EXPECT_EQ(RefusalOf(Peer([](P& p) { p.set_public_key("short"); })), "public_key BAD_LENGTH");
  EXPECT_EQ(RefusalOf(Peer([](P& p) { p.set_public_key(testing::KeyBytes(2)); })),
            "public_key KEY_MISMATCH");
  const StoredObject zero{kPeerKind, std::string(32, '\0'), [] {
                            P body;
                            body.set_public_key(std::string(32, '\0'));
                            return body.SerializeAsString();
                          }()};
  EXPECT_EQ(RefusalOf(zero), "public_key ZERO_KEY");
  EXPECT_EQ(RefusalOf(testing::Peer(1'000'000, {})), "public_key OWN_KEY");
  EXPECT_EQ(RefusalOf(Peer([](P& p) { p.set_preshared_key("x"); })), "preshared_key BAD_LENGTH");
  EXPECT_EQ(RefusalOf(Peer([](P& p) { p.set_preshared_key(std::string(32, '\0')); })),
            "preshared_key ZERO_KEY");
  for (const char* endpoint : {"", "host.example:1", "1.2.3.4", "1.2.3.4:0", "[fe80::1%2]:1"}) {
    EXPECT_EQ(RefusalOf(Peer([&](P& p) { p.set_endpoint(endpoint); })), "endpoint MALFORMED")
        << endpoint;
  }
  for (const char* endpoint : {"0.0.0.0:1", "224.0.0.1:1", "[::ffff:1.2.3.4]:1", "100.64.0.9:1"}) {
    EXPECT_EQ(RefusalOf(Peer([&](P& p) { p.set_endpoint(endpoint); })), "endpoint OUT_OF_RANGE")
        << endpoint;
  }
  EXPECT_EQ(RefusalOf(Peer([](P& p) { p.set_persistent_keepalive(0); })),
            "persistent_keepalive OUT_OF_RANGE");
  EXPECT_EQ(RefusalOf(Peer([](P& p) { p.set_persistent_keepalive(65'536); })),
            "persistent_keepalive OUT_OF_RANGE");
  EXPECT_EQ(RefusalOf(Peer([](P& p) { p.mutable_allowed_ips(0)->set_address("abc"); })),
            "allowed_ips[0].address BAD_LENGTH");
  EXPECT_EQ(RefusalOf(Peer([](P& p) { p.mutable_allowed_ips(0)->set_length(33); })),
            "allowed_ips[0].length OUT_OF_RANGE");
  EXPECT_EQ(RefusalOf(Peer([](P& p) { p.mutable_allowed_ips(0)->set_length(24); })),
            "allowed_ips[0] BAD_PREFIX");
  EXPECT_EQ(RefusalOf(Peer([](P& p) { *p.add_allowed_ips() = p.allowed_ips(0); })),
            "allowed_ips DUPLICATE");
  EXPECT_EQ(RefusalOf(testing::Peer(1, {"100.64.0.0/10"})), "allowed_ips[0] OUTSIDE_TUNNEL_RANGES");
  EXPECT_EQ(RefusalOf(Peer([](P& p) {
              for (int i = 0; i < 4096; ++i) {
                *p.add_allowed_ips() = p.allowed_ips(0);
              }
            })),
            "allowed_ips LIMIT");
}

TEST(Convert, ReadsAResource) {
  ParsedObject out;
  ASSERT_FALSE(Parse(Rule([](pb::TrafficRule&) {}), out));
  const auto& resource = std::get<access::ResourceConfig>(out);
  EXPECT_EQ(resource.id, "r");
  EXPECT_FALSE(resource.filter.allow_all);
  ASSERT_EQ(resource.filter.rules.size(), 1U);
  EXPECT_EQ(resource.filter.rules[0].last_port, 443);
  EXPECT_TRUE(resource.nat);
}

TEST(Convert, RefusesAResource) {
  using R = pb::ResourceConfig;
  EXPECT_EQ(RefusalOf(Resource([](R&) {})), "");
  EXPECT_EQ(RefusalOf(Resource([](R& r) { r.set_id(""); })), "id OUT_OF_RANGE");
  EXPECT_EQ(RefusalOf(Resource([](R& r) { r.set_id(std::string(256, 'x')); })), "id OUT_OF_RANGE");
  EXPECT_EQ(RefusalOf(Resource([](R& r) { r.set_id("a\nb"); })), "id OUT_OF_RANGE");
  EXPECT_EQ(RefusalOf(Resource([](R& r) { r.set_id("other"); })), "id KEY_MISMATCH");
  EXPECT_EQ(RefusalOf(Resource([](R& r) { r.clear_prefixes(); })), "prefixes REQUIRED");
  EXPECT_EQ(RefusalOf(Resource([](R& r) { r.clear_filter(); })), "filter REQUIRED");
  EXPECT_EQ(RefusalOf(Resource([](R& r) { r.set_allow_all(false); })), "allow_all OUT_OF_RANGE");
  EXPECT_EQ(RefusalOf(Resource([](R& r) { r.clear_nat(); })), "nat REQUIRED");
  for (const char* prefix :
       {"0.0.0.0/0", "::/0", "0.0.0.0/8", "127.0.0.1/32", "169.254.0.0/16", "224.0.0.0/4",
        "255.255.255.255/32", "::1/128", "fe80::/64", "ff02::/16", "::ffff:0.0.0.0/96",
        "100.64.0.0/16", "100.0.0.0/8", "fd00:2021:1111::/48"}) {
    EXPECT_EQ(RefusalOf(testing::Resource("r", {prefix})), "prefixes[0] FORBIDDEN_PREFIX")
        << prefix;
  }
}

TEST(Convert, RefusesARule) {
  using T = pb::TrafficRule;
  EXPECT_EQ(RefusalOf(Rule([](T&) {})), "");
  EXPECT_EQ(RefusalOf(Rule([](T& t) { t.set_protocol(T::PROTOCOL_UNSPECIFIED); })),
            "rules.rules[0].protocol UNKNOWN_ENUM");
  EXPECT_EQ(RefusalOf(Rule([](T& t) { t.set_protocol(static_cast<T::Protocol>(77)); })),
            "rules.rules[0].protocol UNKNOWN_ENUM");
  EXPECT_EQ(RefusalOf(Rule([](T& t) { t.clear_ports(); })), "rules.rules[0].ports REQUIRED");
  EXPECT_EQ(RefusalOf(Rule([](T& t) { t.set_protocol(T::PROTOCOL_ICMP); })),
            "rules.rules[0].ports NOT_ALLOWED");
  EXPECT_EQ(RefusalOf(Rule([](T& t) { t.mutable_ports()->set_first(0); })),
            "rules.rules[0].ports OUT_OF_RANGE");
  EXPECT_EQ(RefusalOf(Rule([](T& t) { t.mutable_ports()->set_last(65'536); })),
            "rules.rules[0].ports OUT_OF_RANGE");
  EXPECT_EQ(RefusalOf(Rule([](T& t) { t.mutable_ports()->set_first(444); })),
            "rules.rules[0].ports OUT_OF_RANGE");
}

TEST(Convert, RefusesAGrant) {
  using G = pb::GrantConfig;
  EXPECT_EQ(RefusalOf(Grant([](G&) {})), "");
  EXPECT_EQ(RefusalOf(Grant([](G& g) { g.set_peer_public_key("x"); })),
            "peer_public_key BAD_LENGTH");
  EXPECT_EQ(RefusalOf(Grant([](G& g) { g.set_resource_id(""); })), "resource_id OUT_OF_RANGE");
  EXPECT_EQ(RefusalOf(Grant([](G& g) { g.set_resource_id("other"); })), " KEY_MISMATCH");
  EXPECT_EQ(RefusalOf(Grant([](G& g) { g.set_expires_at_unix_ns(0); })),
            "expires_at_unix_ns OUT_OF_RANGE");
  EXPECT_EQ(RefusalOf(Grant([](G& g) { g.set_expires_at_unix_ns(-5); })),
            "expires_at_unix_ns OUT_OF_RANGE");
}

TEST(Convert, RefusesAnInterface) {
  EXPECT_EQ(RefusalOf(testing::Interface({"100.64.0.1/32", "fd00:2021:1111::1/128"})), "");
  EXPECT_EQ(RefusalOf(testing::Interface({"100.64.0.0/24"})), "addresses[0].length OUT_OF_RANGE");
  EXPECT_EQ(RefusalOf(testing::Interface({"8.8.8.8/32"})), "addresses[0] OUTSIDE_TUNNEL_RANGES");
  EXPECT_EQ(RefusalOf(testing::Interface({}, {"0.0.0.0/0"})),
            "tunnel_ranges[0] OUTSIDE_TUNNEL_RANGES");
  StoredObject named = testing::Interface({});
  named.key = "eth0";
  EXPECT_EQ(RefusalOf(named), " KEY_MISMATCH");
}

TEST(Convert, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(RefusalOf({0, "", ""}), "kind UNKNOWN_KIND");
  EXPECT_EQ(RefusalOf({5, "", ""}), "kind UNKNOWN_KIND");
  EXPECT_EQ(RefusalOf({kPeerKind, testing::KeyBytes(1), "\xff"}), " MALFORMED");
  // In the body and in a part of it.
  pb::ResourceConfig body = testing::ResourceBody("r", {"10.0.0.0/24"});
  body.GetReflection()->MutableUnknownFields(&body)->AddVarint(99, 1);
  EXPECT_EQ(RefusalOf({kResourceKind, "r", body.SerializeAsString()}), " UNKNOWN_FIELD");
  body = testing::ResourceBody("r", {"10.0.0.0/24"});
  pb::Prefix& prefix = *body.mutable_prefixes(0);
  prefix.GetReflection()->MutableUnknownFields(&prefix)->AddVarint(99, 1);
  EXPECT_EQ(RefusalOf({kResourceKind, "r", body.SerializeAsString()}), " UNKNOWN_FIELD");
  Limits limits = testing::TestLimits();
  limits.max_body_bytes = 10;
  ParsedObject out;
  EXPECT_EQ(Parse(testing::Peer(1, {}), out, limits)->code, "LIMIT");
}

TEST(Convert, SplitsAGrantsKey) {
  const access::GrantKey grant = SplitGrantKey(GrantObjectKey(testing::KeyOf(1), "wiki"));
  EXPECT_EQ(grant.peer, testing::KeyOf(1));
  EXPECT_EQ(grant.resource_id, "wiki");
  EXPECT_EQ(SplitGrantKey("short").resource_id, "");
}

TEST(Convert, DescribesObjectsForPeople) {
  EXPECT_EQ(Describe({kInterfaceKind, ""}), "interface");
  EXPECT_EQ(Describe({kPeerKind, testing::KeyBytes(1)}), "peer " + testing::KeyOf(1).ToBase64());
  EXPECT_EQ(Describe({kPeerKind, "x"}), "peer with a malformed key");
  EXPECT_EQ(Describe({kResourceKind, "wiki"}), "resource wiki");
  EXPECT_EQ(Describe({kGrantKind, GrantObjectKey(testing::KeyOf(1), "wiki")}),
            "grant of wiki to " + testing::KeyOf(1).ToBase64());
  EXPECT_EQ(Describe({9, ""}), "object of unknown kind 9");
}

}  // namespace
}  // namespace adit::rpc
