// Where a client's keys are at every step of create, rotate and export.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/status.h"
#include "controlplane/cli/client_key.h"
#include "tests/controlplane/cli/fake_admin.h"
#include "tests/controlplane/cli/scratch_directory.h"

namespace adit::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kKey[] = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";
constexpr char kPublicOfKey[] = "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=";

class PeerFilesTest : public ::testing::Test {
 protected:
  ExitCode Create(const std::vector<std::string>& more = {}) {
    std::vector<std::string> args{"peer", "create", "alice", "--out", path_};
    args.insert(args.end(), more.begin(), more.end());
    return terminal_.Run(args);
  }
  // The value of a line of the written file.
  std::string ValueOf(const std::string& key) const {
    const std::string text = scratch_.Read("alice.conf");
    const std::size_t at = text.find(key + " = ");
    const std::size_t begin = at + key.size() + 3;
    return at == std::string::npos ? "" : text.substr(begin, text.find('\n', begin) - begin);
  }

  FakeAdmin fake_;
  Terminal terminal_{fake_};
  const ScratchDirectory scratch_;
  const std::string path_ = scratch_.File("alice.conf");
};

TEST_F(PeerFilesTest, CreateWritesTheKeyOfWhichItSentThePublicHalf) {
  EXPECT_EQ(Create({"--gateway", "gw", "--keepalive", "25"}), ExitCode::kOk);
  EXPECT_THAT(scratch_.Names(), ElementsAre("alice.conf"));
  EXPECT_EQ(scratch_.ModeOf("alice.conf"), 0600U);
  const auto key = ClientKey::Parse(ValueOf("PrivateKey"));
  ASSERT_TRUE(key.ok());
  const auto& peer = fake_.create_peer.peer();
  EXPECT_EQ(peer.public_key(), key->DerivePublic().ToBase64());
  EXPECT_EQ(peer.node(), "gw");
  EXPECT_EQ(peer.keepalive(), 25U);
  EXPECT_FALSE(fake_.create_peer.has_preshared_key());
  EXPECT_THAT(fake_.create_peer.ShortDebugString(), Not(HasSubstr(ValueOf("PrivateKey"))));
  EXPECT_THAT(terminal_.out() + terminal_.err(), Not(HasSubstr(ValueOf("PrivateKey"))));
  EXPECT_EQ(ValueOf("Address"), "100.64.0.2/32, fd00:2021:1111::2/128");
}

TEST_F(PeerFilesTest, ThePrivateKeyIsOnDiskBeforeTheHubKnowsThePublicOne) {
  fake_.during_call = [this] {
    const auto kept = ClientKey::Parse(scratch_.Read("alice.conf.pending-key"));
    ASSERT_TRUE(kept.ok());
    EXPECT_EQ(fake_.create_peer.peer().public_key(), kept->DerivePublic().ToBase64());
  };
  EXPECT_EQ(Create(), ExitCode::kOk);
}

TEST_F(PeerFilesTest, ARefusedCreateLeavesNoFile) {
  fake_.status = grpc::Status(grpc::StatusCode::ALREADY_EXISTS, "there is a peer alice");
  EXPECT_EQ(Create(), ExitCode::kConflict);
  EXPECT_THAT(scratch_.Names(), IsEmpty());
  terminal_.dial_error = Unavailable("nobody listens");
  EXPECT_EQ(Create(), ExitCode::kUnavailable);
  EXPECT_THAT(scratch_.Names(), IsEmpty());
}

TEST_F(PeerFilesTest, ALostAnswerKeepsTheKeyAndExportMakesTheFileOfIt) {
  fake_.status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "connection reset");
  EXPECT_EQ(Create(), ExitCode::kUnavailable);
  EXPECT_THAT(scratch_.Names(), ElementsAre("alice.conf.pending-key"));
  EXPECT_THAT(terminal_.err(), AllOf(HasSubstr("not known"), HasSubstr("--private-key-file")));

  fake_.status = grpc::Status::OK;
  auto& peer = fake_.peers.emplace_back();
  peer.set_name("alice");
  peer.set_public_key(fake_.create_peer.peer().public_key());
  const std::string pending = path_ + ".pending-key";
  EXPECT_EQ(
      terminal_.Run({"peer", "export", "alice", "--private-key-file", pending, "--out", path_}),
      ExitCode::kOk)
      << terminal_.err();
  EXPECT_EQ(ValueOf("PrivateKey") + "\n", scratch_.Read("alice.conf.pending-key"));
}

TEST_F(PeerFilesTest, AStoredPeerWhoseFileCannotBeWrittenKeepsItsKey) {
  fake_.during_call = [this] { scratch_.Write("alice.conf", "somebody else's"); };
  EXPECT_EQ(Create(), ExitCode::kFailed);
  EXPECT_EQ(scratch_.Read("alice.conf"), "somebody else's");
  EXPECT_THAT(terminal_.err(),
              AllOf(HasSubstr("stored, but its file was not written"), HasSubstr("pending-key")));
  EXPECT_TRUE(ClientKey::Parse(scratch_.Read("alice.conf.pending-key")).ok());
  EXPECT_THAT(terminal_.out(), HasSubstr("stored, revision 12"));
}

TEST_F(PeerFilesTest, AnExistingFileIsRefusedBeforeAnythingIsSent) {
  scratch_.Write("alice.conf", "old");
  EXPECT_EQ(Create(), ExitCode::kFailed);
  EXPECT_EQ(fake_.calls, 0);
  EXPECT_EQ(scratch_.Read("alice.conf"), "old");
  EXPECT_EQ(Create({"--force"}), ExitCode::kOk);
  EXPECT_THAT(ValueOf("PrivateKey"), Not(IsEmpty()));
}

TEST_F(PeerFilesTest, DryRunWritesNothing) {
  EXPECT_EQ(Create({"--dry-run"}), ExitCode::kOk);
  EXPECT_TRUE(fake_.create_peer.options().validate_only());
  EXPECT_THAT(scratch_.Names(), IsEmpty());
}

TEST_F(PeerFilesTest, AClientsOwnKeyStaysWithIt) {
  EXPECT_EQ(terminal_.Run({"peer", "create", "alice", "--public-key", kPublicOfKey}),
            ExitCode::kOk);
  EXPECT_EQ(fake_.create_peer.peer().public_key(), kPublicOfKey);
  EXPECT_EQ(Create({"--public-key", kPublicOfKey}), ExitCode::kOk);
  EXPECT_THAT(scratch_.Read("alice.conf"), HasSubstr("\n# PrivateKey"));
}

TEST_F(PeerFilesTest, PresharedKeysAreGeneratedOrReadAndWritten) {
  EXPECT_EQ(Create({"--psk-file", "generate"}), ExitCode::kOk);
  EXPECT_EQ(ValueOf("PresharedKey"), fake_.create_peer.preshared_key());
  EXPECT_EQ(fake_.create_peer.preshared_key().size(), 44U);

  scratch_.Write("psk", std::string(kKey) + "\n");
  EXPECT_EQ(Create({"--force", "--psk-file", scratch_.File("psk")}), ExitCode::kOk);
  EXPECT_EQ(fake_.create_peer.preshared_key(), kKey);
  terminal_.in.str(std::string(kKey) + "\n");
  EXPECT_EQ(Create({"--force", "--psk-file", "-"}), ExitCode::kOk);
  EXPECT_EQ(fake_.create_peer.preshared_key(), kKey);

  scratch_.Write("psk", "rubbish");
  EXPECT_EQ(Create({"--force", "--psk-file", scratch_.File("psk")}), ExitCode::kUsage);
  EXPECT_THAT(terminal_.err(), AllOf(HasSubstr("--psk-file"), Not(HasSubstr("rubbish"))));
  EXPECT_EQ(Create({"--force", "--psk-file", scratch_.File("none")}), ExitCode::kFailed);
}

TEST_F(PeerFilesTest, APresharedKeyIsNotPrinted) {
  fake_.exported.set_preshared_key(kKey);
  EXPECT_EQ(Create({"-o", "json"}), ExitCode::kOk);
  EXPECT_THAT(terminal_.out() + terminal_.err(), Not(HasSubstr(kKey)));
  EXPECT_EQ(ValueOf("PresharedKey"), kKey);
}

TEST_F(PeerFilesTest, QrAndStandardOutputAreTheDataAndTheReportGoesToStandardError) {
  EXPECT_EQ(terminal_.Run({"peer", "create", "alice", "--qr"}), ExitCode::kOk);
  EXPECT_THAT(terminal_.out(), AllOf(HasSubstr("█"), Not(HasSubstr("stored"))));
  EXPECT_THAT(terminal_.err(), HasSubstr("stored, revision 12"));
  EXPECT_EQ(terminal_.Run({"peer", "create", "alice", "--out", "-"}), ExitCode::kOk);
  EXPECT_THAT(terminal_.out(), ::testing::StartsWith("[Interface]\nPrivateKey = "));

  // Too much for a code: the key must not be lost.
  for (int i = 0; i < 300; ++i) {
    fake_.exported.add_allowed_ips("10.1.0.0/24");
  }
  EXPECT_EQ(terminal_.Run({"peer", "create", "alice", "--qr"}), ExitCode::kOk);
  EXPECT_THAT(terminal_.out(), HasSubstr("PrivateKey = "));
}

TEST_F(PeerFilesTest, RotateReplacesTheFileOnlyAfterTheAnswer) {
  scratch_.Write("alice.conf", "old");
  fake_.during_call = [this] { EXPECT_EQ(scratch_.Read("alice.conf"), "old"); };
  EXPECT_EQ(terminal_.Run({"peer", "rotate", "alice", "--out", path_, "--force", "--etag", "4",
                           "--remove-psk"}),
            ExitCode::kOk);
  EXPECT_EQ(fake_.rotate_peer.etag(), "4");
  EXPECT_TRUE(fake_.rotate_peer.remove_preshared_key());
  EXPECT_EQ(fake_.rotate_peer.public_key(),
            ClientKey::Parse(ValueOf("PrivateKey"))->DerivePublic().ToBase64());
  EXPECT_THAT(scratch_.Names(), ElementsAre("alice.conf"));
}

TEST_F(PeerFilesTest, ExportLeavesThePrivateKeyOutUnlessItIsThePeers) {
  auto& peer = fake_.peers.emplace_back();
  peer.set_name("alice");
  peer.set_public_key(kPublicOfKey);
  EXPECT_EQ(terminal_.Run({"peer", "export", "alice"}), ExitCode::kOk);
  EXPECT_THAT(terminal_.out(), HasSubstr("# PrivateKey"));
  EXPECT_EQ(terminal_.Run({"peer", "export", "alice", "-o", "json"}), ExitCode::kOk);
  EXPECT_THAT(terminal_.out(), HasSubstr("\"gatewayEndpoint\""));

  scratch_.Write("key", kKey);
  EXPECT_EQ(terminal_.Run({"peer", "export", "alice", "--private-key-file", scratch_.File("key")}),
            ExitCode::kOk);
  EXPECT_THAT(terminal_.out(), HasSubstr(std::string("PrivateKey = ") + kKey));
  EXPECT_EQ(terminal_.Run(
                {"peer", "export", "alice", "--qr", "--private-key-file", scratch_.File("key")}),
            ExitCode::kOk);
  EXPECT_EQ(terminal_.Run({"peer", "export", "alice", "--qr"}), ExitCode::kUsage);

  fake_.peers.front().set_public_key("AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=");
  EXPECT_EQ(terminal_.Run({"peer", "export", "alice", "--private-key-file", scratch_.File("key")}),
            ExitCode::kFailed);
  EXPECT_THAT(terminal_.out(), IsEmpty());
}

}  // namespace
}  // namespace adit::cli
