#include "controlplane/cli/wg_quick_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/random.h"
#include "common/status.h"

namespace adit::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kPrivate[] = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";
constexpr char kPublic[] = "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=";

admin::v1::PeerExport Export() {
  admin::v1::PeerExport exported;
  exported.add_addresses("100.64.0.2/32");
  exported.add_addresses("fd00:2021:1111::2/128");
  exported.set_mtu(1280);
  exported.set_gateway_public_key(kPublic);
  exported.set_gateway_endpoint("203.0.113.2:51820");
  exported.add_allowed_ips("100.64.0.1/32");
  exported.add_allowed_ips("10.77.1.0/24");
  return exported;
}

TEST(WgQuickText, HoldsWhatWgQuickNeedsAndNothingElse) {
  const auto key = ClientKey::Parse(kPrivate);
  ASSERT_TRUE(key.ok());
  const auto text = WgQuickText(Export(), &*key, nullptr);
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(text->view(),
            "[Interface]\n"
            "PrivateKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n"
            "Address = 100.64.0.2/32, fd00:2021:1111::2/128\n"
            "MTU = 1280\n"
            "\n"
            "[Peer]\n"
            "PublicKey = HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=\n"
            "AllowedIPs = 100.64.0.1/32, 10.77.1.0/24\n"
            "Endpoint = 203.0.113.2:51820\n");
}

TEST(WgQuickText, SaysWhereThePrivateKeyGoesWhenItIsNotThere) {
  const auto text = WgQuickText(Export(), nullptr, nullptr);
  ASSERT_TRUE(text.ok());
  EXPECT_THAT(std::string(text->view()), HasSubstr("\n# PrivateKey = "));
}

TEST(WgQuickText, WritesPresharedKeyAndKeepaliveOnlyWhenThereAreAny) {
  admin::v1::PeerExport exported = Export();
  exported.set_persistent_keepalive(25);
  exported.set_preshared_key(kPrivate);
  auto text = WgQuickText(exported, nullptr, nullptr);
  ASSERT_TRUE(text.ok());
  EXPECT_THAT(std::string(text->view()), HasSubstr(std::string("PresharedKey = ") + kPrivate));
  EXPECT_THAT(std::string(text->view()), HasSubstr("PersistentKeepalive = 25\n"));

  SystemRandom random;
  const ClientKey own = ClientKey::NewPreshared(random);
  text = WgQuickText(exported, nullptr, &own);
  EXPECT_THAT(std::string(text->view()), Not(HasSubstr(kPrivate)));
  EXPECT_THAT(std::string(text->view()), HasSubstr(std::string(own.ToBase64().view())));
}

TEST(WgQuickText, NeverWritesALineThatAServerMadeUp) {
  const std::string evil = "\nPostUp = touch /owned";
  const auto refuses = [](const auto& change) {
    admin::v1::PeerExport exported = Export();
    change(exported);
    return absl::IsInternal(WgQuickText(exported, nullptr, nullptr).status());
  };
  EXPECT_TRUE(refuses([&](auto& e) { e.set_addresses(0, "100.64.0.2/32" + evil); }));
  EXPECT_TRUE(refuses([&](auto& e) { e.set_allowed_ips(1, "10.0.0.0/8" + evil); }));
  EXPECT_TRUE(refuses([&](auto& e) { e.set_gateway_endpoint("203.0.113.2:51820" + evil); }));
  EXPECT_TRUE(refuses([&](auto& e) { e.set_gateway_public_key(kPublic + evil); }));
  EXPECT_TRUE(refuses([&](auto& e) { e.set_preshared_key(kPrivate + evil); }));
  EXPECT_TRUE(refuses([](auto& e) { e.clear_addresses(); }));
  EXPECT_TRUE(refuses([](auto& e) { e.clear_allowed_ips(); }));
  EXPECT_TRUE(refuses([](auto& e) { e.set_gateway_endpoint("203.0.113.2:0"); }));
}

TEST(ClientKey, DerivesAndReadsKeysAsWireGuardToolsDo) {
  const auto key = ClientKey::Parse(std::string(kPrivate) + "\n");
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(key->DerivePublic().ToBase64(), kPublic);
  EXPECT_EQ(key->ToBase64().view(), kPrivate);
  for (const std::string& bad : {std::string(), std::string("key"), std::string(kPrivate) + "\n\n",
                                 std::string(kPrivate) + " ", std::string(43, 'A') + "="}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ClientKey::Parse(bad).status())) << bad;
  }
}

TEST(ClientKey, MakesClampedKeysThatDiffer) {
  SystemRandom random;
  const ClientKey one = ClientKey::NewPrivate(random);
  const ClientKey two = ClientKey::NewPrivate(random);
  EXPECT_NE(one.ToBase64().view(), two.ToBase64().view());
  std::array<std::uint8_t, kKeySize> bytes{};
  ASSERT_TRUE(DecodeKeyBase64(one.ToBase64().view(), bytes));
  EXPECT_EQ(bytes[0] & 7, 0);
  EXPECT_EQ(bytes[31] & 0xc0, 0x40);
}

}  // namespace
}  // namespace adit::cli
