#include "tests/controlplane/model/model_fixture.h"

namespace adit::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Fields = std::vector<std::string>;

class Policies : public ModelFixture {
 protected:
  Policies() {
    AddNode("gw");
    AddPeer("alice");
    AddPeer("bob");
    AddResource("wiki", "10.0.0.1");
    AddResource("git", "10.0.0.2");
  }
  absl::Status Try(const PolicyCreate& create) {
    return CreatePolicy(state_, create, kNow).status();
  }
};

TEST_F(Policies, KeepWhatWasAskedFor) {
  AddPolicy("p", {"bob", "alice"}, {"wiki"}, kNow + seconds(60));
  const Policy& policy = *state_.FindPolicy("p");
  EXPECT_THAT(policy.peers, ElementsAre("alice", "bob"));
  EXPECT_THAT(policy.resources, ElementsAre("wiki"));
  EXPECT_FALSE(policy.disabled);
  EXPECT_EQ(policy.expires, kNow + seconds(60));
  EXPECT_EQ(policy.revision, state_.revision());
}

TEST_F(Policies, NeedPeersAndResources) {
  EXPECT_THAT(Try(NewPolicy("p", {}, {})), IsInvalid({"peers", "resources"}));
  EXPECT_THAT(Try(NewPolicy("P", {"alice"}, {"wiki"})), IsInvalid({"name"}));
}

TEST_F(Policies, NeedPeersAndResourcesThatExist) {
  const absl::Status status = Try(NewPolicy("p", {"alice", "carol"}, {"mail"}));
  EXPECT_THAT(status,
              IsRefusal(absl::StatusCode::kNotFound, "NOT_FOUND", Fields{"peers", "resources"}));
  EXPECT_THAT(MessageOf(status), HasSubstr("there is no peer carol; there is no resource mail"));
  EXPECT_THAT(Try(NewPolicy("p", {"ALICE"}, {"wiki"})), IsInvalid({"peers[0]"}));
}

TEST_F(Policies, RefuseRepetitions) {
  EXPECT_THAT(Try(NewPolicy("p", {"alice", "alice"}, {"wiki"})), IsInvalid({"peers"}));
  EXPECT_THAT(Try(NewPolicy("p", {"alice"}, {"wiki", "git", "wiki"})), IsInvalid({"resources"}));
}

TEST_F(Policies, ExpireInTheFuture) {
  PolicyCreate create = NewPolicy("p", {"alice"}, {"wiki"});
  create.expires = kNow;
  EXPECT_THAT(Try(create), IsInvalid({"expires"}));
  create.expires = WallTime(Duration(-1));
  EXPECT_THAT(Try(create), IsInvalid({"expires"}));
  create.expires = kNow + Duration(1);
  EXPECT_TRUE(Try(create).ok());
}

TEST_F(Policies, ANameIsTakenOnce) {
  AddPolicy("p", {"alice"}, {"wiki"});
  EXPECT_THAT(Try(NewPolicy("p", {"bob"}, {"wiki"})),
              IsRefusal(absl::StatusCode::kAlreadyExists, "ALREADY_EXISTS", Fields{"name"}));
}

TEST_F(Policies, UpdateChangesOnlyWhatIsInTheMask) {
  AddPolicy("p", {"alice"}, {"wiki"}, kNow + seconds(60));
  PolicyUpdate update;
  update.name = "p";
  EXPECT_TRUE(UpdatePolicy(state_, update, kNow)->empty());
  // Others may be changed after it has expired.
  update.disabled = true;
  Accept(UpdatePolicy(state_, update, kNow + seconds(120)));
  EXPECT_TRUE(state_.FindPolicy("p")->disabled);
  update.disabled.reset();
  update.expires.emplace(std::nullopt);
  update.peers = {"bob"};
  update.resources = {"git"};
  Accept(UpdatePolicy(state_, update, kNow));
  EXPECT_FALSE(state_.FindPolicy("p")->expires.has_value());
  EXPECT_THAT(state_.FindPolicy("p")->peers, ElementsAre("bob"));
  EXPECT_TRUE(state_.PoliciesOfPeer("alice").empty());
  EXPECT_TRUE(state_.PoliciesOfResource("wiki").empty());
  update.expires = kNow;
  update.peers.emplace();
  EXPECT_THAT(UpdatePolicy(state_, update, kNow).status(), IsInvalid({"peers", "expires"}));
}

TEST_F(Policies, EtagsAreComparedAndAbsenceIsNotFound) {
  AddPolicy("p", {"alice"}, {"wiki"});
  const auto mismatch = IsRefusal(absl::StatusCode::kAborted, "ETAG_MISMATCH", Fields{"etag"});
  const auto not_found = IsRefusal(absl::StatusCode::kNotFound, "NOT_FOUND", kNoFields);
  PolicyUpdate update;
  update.name = "p";
  update.etag = "1";
  EXPECT_THAT(UpdatePolicy(state_, update, kNow).status(), mismatch);
  EXPECT_THAT(DeletePolicy(state_, "p", "1").status(), mismatch);
  update.name = "q";
  EXPECT_THAT(UpdatePolicy(state_, update, kNow).status(), not_found);
  EXPECT_THAT(DeletePolicy(state_, "q", "").status(), not_found);
  Accept(DeletePolicy(state_, "p", EtagOf(state_.revision())));
  EXPECT_EQ(state_.FindPolicy("p"), nullptr);
}

}  // namespace
}  // namespace adit::model
