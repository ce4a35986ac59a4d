#include "tests/controlplane/model/model_fixture.h"

namespace adit::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Fields = std::vector<std::string>;

class Resources : public ModelFixture {
 protected:
  absl::Status TryCidrs(std::vector<std::string> cidrs) {
    ResourceCreate create = NewResource("r", "");
    create.cidrs = std::move(cidrs);
    return CreateResource(state_, create, kNow).status();
  }
  absl::Status TryAllow(bool all, std::vector<AllowRequest> allow) {
    ResourceCreate create = NewResource("r", "10.0.0.1");
    create.allow_all = all;
    create.allow = std::move(allow);
    return CreateResource(state_, create, kNow).status();
  }
};

TEST_F(Resources, KeepWhatWasAskedFor) {
  AddNode("gw");
  ResourceCreate create = NewResource("wiki", "10.0.0.0/8");
  create.cidrs.emplace_back("fd12::7");
  create.allow_all = false;
  create.allow = {{1, 443, 443}, {2, 1, 65'535}, {3, 0, 0}};
  create.nat = false;
  Accept(CreateResource(state_, create, kNow));
  const Resource& resource = *state_.FindResource("wiki");
  EXPECT_EQ(resource.node, "gw");
  EXPECT_THAT(resource.cidrs, ElementsAre(IpPrefix::Parse("10.0.0.0/8").value(),
                                          IpPrefix::Parse("fd12::7/128").value()));
  EXPECT_THAT(resource.allow, ElementsAre(Allow{Allow::Protocol::kTcp, 443, 443},
                                          Allow{Allow::Protocol::kUdp, 1, 65'535},
                                          Allow{Allow::Protocol::kIcmp, 0, 0}));
  EXPECT_FALSE(resource.nat);
  EXPECT_EQ(resource.destinations_revision, state_.revision());
}

TEST_F(Resources, TranslateUnlessToldNotTo) {
  AddNode("gw");
  AddResource("wiki", "10.0.0.1");
  EXPECT_TRUE(state_.FindResource("wiki")->nat);
}

TEST_F(Resources, NeedADestination) {
  AddNode("gw");
  EXPECT_THAT(TryCidrs({}), IsInvalid({"cidrs"}));
}

TEST_F(Resources, RefuseDestinationsThatDataPlanesRefuse) {
  AddNode("gw");
  for (const char* bad : {"",
                          "x",
                          "10.0.0.0/33",
                          "0.0.0.0/0",
                          "::/0",
                          "0.1.2.3",
                          "127.0.0.1",
                          "126.0.0.0/7",
                          "169.254.1.1",
                          "224.0.0.1",
                          "255.255.255.255",
                          "::",
                          "::1",
                          "::ffff:10.0.0.1",
                          "fe80::1",
                          "ff02::1",
                          "100.64.0.1",
                          "100.0.0.0/8",
                          "fd00:2021:1111::5",
                          "fd00::/8",
                          "10.0.0.0/8 "}) {
    EXPECT_THAT(TryCidrs({"10.9.9.9", bad}), IsInvalid({"cidrs[1]"})) << bad;
  }
}

TEST_F(Resources, RefuseHostBitsAndSayBothReadings) {
  AddNode("gw");
  const absl::Status status = TryCidrs({"10.0.0.5/24"});
  EXPECT_THAT(status, IsInvalid({"cidrs[0]"}));
  EXPECT_THAT(MessageOf(status), HasSubstr("10.0.0.0/24 for the network or 10.0.0.5 for the host"));
}

TEST_F(Resources, RefuseRepetitions) {
  AddNode("gw");
  EXPECT_THAT(TryCidrs({"10.0.0.1", "10.0.0.1/32"}), IsInvalid({"cidrs"}));
  EXPECT_THAT(TryAllow(false, {{1, 80, 90}, {1, 80, 90}}), IsInvalid({"allow"}));
  EXPECT_THAT(TryAllow(false, {{3, 0, 0}, {3, 0, 0}}), IsInvalid({"allow"}));
}

TEST_F(Resources, RefuseMoreThanADataPlaneTakes) {
  AddNode("gw");
  std::vector<std::string> cidrs;
  for (int i = 0; i < 4'097; ++i) {
    cidrs.push_back("10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256));
  }
  EXPECT_THAT(TryCidrs(cidrs), IsInvalid({"cidrs"}));
  cidrs.pop_back();
  EXPECT_TRUE(TryCidrs(cidrs).ok());
  EXPECT_THAT(TryAllow(false, std::vector<AllowRequest>(1'025, {1, 1, 1})), IsInvalid({"allow"}));
}

TEST_F(Resources, NeedAnAllowThatIsSaid) {
  AddNode("gw");
  const absl::Status status = TryAllow(false, {});
  EXPECT_THAT(status, IsInvalid({"allow"}));
  EXPECT_THAT(MessageOf(status), HasSubstr("nothing is allowed by leaving it out"));
  EXPECT_THAT(TryAllow(true, {{1, 80, 80}}), IsInvalid({"allow"}));
}

TEST_F(Resources, RefusePortsOutOfRange) {
  AddNode("gw");
  for (const AllowRequest bad :
       {AllowRequest{1, 0, 80}, AllowRequest{2, 80, 65'536}, AllowRequest{1, 90, 80},
        AllowRequest{2, 0, 0}, AllowRequest{3, 1, 1}}) {
    EXPECT_THAT(TryAllow(false, {{1, 5, 5}, bad}), IsInvalid({"allow[1].first_port"}));
  }
  EXPECT_THAT(TryAllow(false, {{0, 1, 1}}), IsInvalid({"allow[0].protocol"}));
  EXPECT_THAT(TryAllow(false, {{4, 1, 1}}), IsInvalid({"allow[0].protocol"}));
}

TEST_F(Resources, NeedANode) {
  const auto required =
      IsRefusal(absl::StatusCode::kFailedPrecondition, "NODE_REQUIRED", Fields{"node"});
  EXPECT_THAT(TryCidrs({"10.0.0.1"}), required);
  AddNode("gw1");
  AddNode("gw2");
  EXPECT_THAT(TryCidrs({"10.0.0.1"}), required);
  EXPECT_THAT(CreateResource(state_, NewResource("r", "10.0.0.1", "gw3"), kNow).status(),
              IsRefusal(absl::StatusCode::kNotFound, "NOT_FOUND", Fields{"node"}));
}

TEST_F(Resources, ANameIsTakenOnce) {
  AddNode("gw");
  AddResource("wiki", "10.0.0.1");
  EXPECT_THAT(CreateResource(state_, NewResource("wiki", "10.0.0.2"), kNow).status(),
              IsRefusal(absl::StatusCode::kAlreadyExists, "ALREADY_EXISTS", Fields{"name"}));
  EXPECT_THAT(CreateResource(state_, NewResource("Wiki", "10.0.0.2"), kNow).status(),
              IsInvalid({"name"}));
}

TEST_F(Resources, UpdateChangesOnlyWhatIsInTheMask) {
  AddNode("gw1");
  AddNode("gw2");
  AddResource("wiki", "10.0.0.1", "gw1");
  ResourceUpdate update;
  update.name = "wiki";
  EXPECT_TRUE(UpdateResource(state_, update)->empty());
  update.filter.emplace();
  update.filter->allow = {{1, 22, 22}};
  Accept(UpdateResource(state_, update));
  EXPECT_FALSE(state_.FindResource("wiki")->allow_all);
  EXPECT_LT(state_.FindResource("wiki")->destinations_revision, state_.revision());
  update.filter.reset();
  update.node = "gw2";
  Accept(UpdateResource(state_, update));
  EXPECT_THAT(state_.ResourcesOf("gw1"), IsEmpty());
  EXPECT_THAT(state_.ResourcesOf("gw2"), ElementsAre("wiki"));
  EXPECT_EQ(state_.FindResource("wiki")->destinations_revision, state_.revision());
  update.filter.emplace();
  update.cidrs.emplace();
  EXPECT_THAT(UpdateResource(state_, update).status(), IsInvalid({"cidrs", "allow"}));
}

TEST_F(Resources, EtagsAreComparedAndAbsenceIsNotFound) {
  AddNode("gw");
  AddResource("wiki", "10.0.0.1");
  const auto mismatch = IsRefusal(absl::StatusCode::kAborted, "ETAG_MISMATCH", Fields{"etag"});
  const auto not_found = IsRefusal(absl::StatusCode::kNotFound, "NOT_FOUND", kNoFields);
  ResourceUpdate update;
  update.name = "wiki";
  update.etag = "99";
  EXPECT_THAT(UpdateResource(state_, update).status(), mismatch);
  EXPECT_THAT(DeleteResource(state_, "wiki", "99").status(), mismatch);
  update.name = "none";
  EXPECT_THAT(UpdateResource(state_, update).status(), not_found);
  EXPECT_THAT(DeleteResource(state_, "none", "").status(), not_found);
}

TEST_F(Resources, DeleteTakesThemOutOfPoliciesAndDeletesThoseLeftEmpty) {
  AddNode("gw");
  AddPeer("alice");
  AddResource("wiki", "10.0.0.1");
  AddResource("git", "10.0.0.2");
  AddPolicy("both", {"alice"}, {"wiki", "git"});
  AddPolicy("only", {"alice"}, {"wiki"});
  Accept(DeleteResource(state_, "wiki", ""));
  EXPECT_THAT(state_.FindPolicy("both")->resources, ElementsAre("git"));
  EXPECT_EQ(state_.FindPolicy("only"), nullptr);
  EXPECT_THAT(state_.PoliciesOfPeer("alice"), ElementsAre("both"));
}

}  // namespace
}  // namespace adit::model
