// What a change prints and how it exits, whatever the nodes and the server say.
#include <latch>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/status.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "tests/controlplane/cli/fake_admin.h"

namespace adit::cli {
namespace {

using admin::v1::NodeOutcome;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class MutationTest : public ::testing::Test {
 protected:
  NodeOutcome* AddOutcome(const std::string& node, NodeOutcome::State state) {
    NodeOutcome* outcome = fake_.result.add_nodes();
    outcome->set_node(node);
    outcome->set_state(state);
    return outcome;
  }
  ExitCode Disable(const std::vector<std::string>& more = {}) {
    std::vector<std::string> args{"policy", "disable", "readers"};
    args.insert(args.end(), more.begin(), more.end());
    return terminal_.Run(args);
  }
  grpc::Status Refused(grpc::StatusCode code, const std::string& field, const std::string& text) {
    google::rpc::BadRequest bad;
    auto* violation = bad.add_field_violations();
    violation->set_field(field);
    violation->set_description(text);
    google::rpc::Status details;
    details.set_code(code);
    details.add_details()->PackFrom(bad);
    return {code, "the request is not acceptable", details.SerializeAsString()};
  }

  FakeAdmin fake_;
  Terminal terminal_{fake_};
};

TEST_F(MutationTest, SaysThatItIsStoredAndThatEveryNodeAcknowledged) {
  AddOutcome("gw", NodeOutcome::ACKED);
  EXPECT_EQ(Disable(), ExitCode::kOk);
  EXPECT_EQ(terminal_.out(), "policy/readers disabled: stored, revision 12\n  node/gw: acked\n");
  EXPECT_THAT(terminal_.err(), IsEmpty());
  EXPECT_TRUE(fake_.update_policy.policy().disabled());
  EXPECT_THAT(fake_.update_policy.update_mask().paths(), ElementsAre("disabled"));
  EXPECT_FALSE(fake_.update_policy.options().request_id().empty());
}

TEST_F(MutationTest, ExitsOneWhenANodeRejects) {
  AddOutcome("gw2", NodeOutcome::NO_ANSWER);
  auto* rejection = AddOutcome("gw", NodeOutcome::REJECTED)->add_rejections();
  rejection->set_object("resource/wiki");
  rejection->set_field("cidrs");
  rejection->set_text("not inside --allow-route");
  rejection->set_code("ROUTE_NOT_ALLOWED");
  EXPECT_EQ(Disable(), ExitCode::kFailed);
  EXPECT_THAT(terminal_.out(), AllOf(HasSubstr("stored"), HasSubstr("resource/wiki (cidrs)"),
                                     HasSubstr("not inside --allow-route [ROUTE_NOT_ALLOWED]")));
}

TEST_F(MutationTest, SaysWhyANodeRefusesTheWholeUpdate) {
  NodeOutcome* outcome = AddOutcome("gw", NodeOutcome::REJECTED);
  outcome->add_rejections()->set_text("write /var/lib/x: No space left on device");
  outcome->mutable_rejections(0)->set_code("UPDATE_REFUSED");
  EXPECT_EQ(Disable(), ExitCode::kFailed);
  EXPECT_THAT(terminal_.out(),
              AllOf(HasSubstr("stored"),
                    HasSubstr("gw: refused: write /var/lib/x: No space left on device "
                              "[UPDATE_REFUSED]; it will be asked again"),
                    Not(HasSubstr("()"))));
}

TEST_F(MutationTest, ExitsSixWhenANodeDoesNotAnswerInTime) {
  AddOutcome("gw", NodeOutcome::NO_ANSWER);
  EXPECT_EQ(Disable(), ExitCode::kUnavailable);
  EXPECT_THAT(terminal_.out(), AllOf(HasSubstr("stored"), HasSubstr("gw: no answer in time")));
  EXPECT_EQ(Disable({"--no-wait"}), ExitCode::kOk);
  EXPECT_TRUE(fake_.update_policy.options().no_wait());
  EXPECT_THAT(terminal_.out(), HasSubstr("gw: not waited for"));
}

TEST_F(MutationTest, ExitsSixWhenAnOfflineNodeMayStillForwardAndSaysUntilWhen) {
  NodeOutcome* outcome = AddOutcome("gw", NodeOutcome::OFFLINE);
  outcome->set_offline_since_unix_ns((StillClock::kUnixSeconds - 200) * 1'000'000'000);
  EXPECT_EQ(Disable(), ExitCode::kOk);
  EXPECT_THAT(terminal_.out(), AllOf(HasSubstr("offline since 2026-01-02T03:00:45Z (3m ago)"),
                                     Not(HasSubstr("may still"))));
  fake_.result.mutable_nodes(0)->set_may_still_forward(true);
  EXPECT_EQ(Disable(), ExitCode::kUnavailable);
  EXPECT_THAT(terminal_.out(), HasSubstr("may still forward what was removed until it hears"));
  fake_.result.mutable_nodes(0)->set_may_forward_until_unix_ns(1'767'326'645'000'000'000);
  EXPECT_EQ(Disable(), ExitCode::kUnavailable);
  EXPECT_THAT(terminal_.out(), HasSubstr("until 2026-01-02T04:04:05Z"));
}

TEST_F(MutationTest, LeavesTheAnswerTimeWithinTheTimeout) {
  EXPECT_EQ(Disable({"--timeout", "4s"}), ExitCode::kOk);
  EXPECT_EQ(fake_.update_policy.options().wait_ms(), 3'000U);
}

TEST_F(MutationTest, AServerThatDoesNotAnswerIsUnavailable) {
  // The call may reach the server when this test is over.
  const auto answered = std::make_shared<std::latch>(1);
  fake_.during_call = [answered] { answered->wait(); };
  EXPECT_EQ(Disable({"--timeout", "20ms"}), ExitCode::kUnavailable);
  answered->count_down();
  EXPECT_THAT(terminal_.err(), AllOf(HasSubstr("no answer within --timeout"),
                                     HasSubstr("not known whether the change is stored")));
}

TEST_F(MutationTest, DryRunSaysThatNothingIsStored) {
  fake_.result.set_validate_only(true);
  EXPECT_EQ(Disable({"--dry-run"}), ExitCode::kOk);
  EXPECT_TRUE(fake_.update_policy.options().validate_only());
  EXPECT_THAT(terminal_.out(), HasSubstr("nothing is stored"));
}

TEST_F(MutationTest, NamesWrongFieldsByTheirFlags) {
  fake_.status =
      Refused(grpc::StatusCode::INVALID_ARGUMENT, "resource.cidrs[1]", "is a default route");
  EXPECT_EQ(terminal_.Run({"resource", "create", "wiki", "--cidr", "10.0.0.0/8", "--allow", "all"}),
            ExitCode::kUsage);
  EXPECT_THAT(terminal_.err(),
              AllOf(HasSubstr("aditctl: resource create: the request is not acceptable"),
                    HasSubstr("\n  --cidr: is a default route"), HasSubstr("nothing is stored")));
  EXPECT_THAT(terminal_.out(), IsEmpty());

  fake_.status = Refused(grpc::StatusCode::NOT_FOUND, "peers[0]", "there is no peer bob");
  EXPECT_EQ(terminal_.Run({"policy", "update", "p", "--peer", "bob"}), ExitCode::kNotFound);
  EXPECT_THAT(terminal_.err(), HasSubstr("--peer: there is no peer bob"));

  fake_.status = Refused(grpc::StatusCode::NOT_FOUND, "node", "there is no node x");
  EXPECT_EQ(terminal_.Run({"peer", "update", "p", "--gateway", "x"}), ExitCode::kNotFound);
  EXPECT_THAT(terminal_.err(), HasSubstr("--gateway: there is no node x"));
}

TEST_F(MutationTest, MapsCanonicalCodesToExitCodes) {
  const std::vector<std::pair<grpc::StatusCode, int>> expected{
      {grpc::StatusCode::INVALID_ARGUMENT, 2},
      {grpc::StatusCode::NOT_FOUND, 3},
      {grpc::StatusCode::PERMISSION_DENIED, 4},
      {grpc::StatusCode::UNAUTHENTICATED, 4},
      {grpc::StatusCode::ALREADY_EXISTS, 5},
      {grpc::StatusCode::ABORTED, 5},
      {grpc::StatusCode::UNAVAILABLE, 6},
      {grpc::StatusCode::DEADLINE_EXCEEDED, 6},
      {grpc::StatusCode::FAILED_PRECONDITION, 1},
      {grpc::StatusCode::RESOURCE_EXHAUSTED, 1},
      {grpc::StatusCode::INTERNAL, 1}};
  for (const auto& [code, exit] : expected) {
    fake_.status = grpc::Status(code, "no");
    EXPECT_EQ(static_cast<int>(Disable()), exit) << code;
  }
}

TEST_F(MutationTest, TellsWhatIsNotStoredFromWhatIsNotKnown) {
  fake_.status = grpc::Status(grpc::StatusCode::ABORTED, "another etag");
  Disable({"--etag", "7"});
  EXPECT_EQ(fake_.update_policy.policy().etag(), "7");
  EXPECT_THAT(terminal_.err(), HasSubstr("nothing is stored"));
  fake_.status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone");
  Disable();
  EXPECT_THAT(terminal_.err(), AllOf(HasSubstr("not known whether the change is stored"),
                                     HasSubstr("aditctl policy get readers")));
  terminal_.dial_error = Unavailable("nobody listens at /run/adit/admin.sock");
  EXPECT_EQ(Disable(), ExitCode::kUnavailable);
  EXPECT_THAT(terminal_.err(),
              AllOf(HasSubstr("--server: nobody listens"), HasSubstr("nothing is stored")));
}

TEST_F(MutationTest, InterruptedIsAnExitCodeOfItsOwn) {
  fake_.during_call = [this] { EXPECT_TRUE(terminal_.interrupt.Raise()); };
  EXPECT_EQ(Disable(), ExitCode::kInterrupted);
  EXPECT_THAT(terminal_.err(), AllOf(HasSubstr("interrupted"), HasSubstr("not known")));
}

TEST_F(MutationTest, JsonIsTheMessageAndTheReportGoesToStandardError) {
  AddOutcome("gw", NodeOutcome::ACKED);
  EXPECT_EQ(Disable({"-o", "json"}), ExitCode::kOk);
  EXPECT_THAT(terminal_.out(), AllOf(HasSubstr("\"revision\": \"12\""),
                                     HasSubstr("\"state\": \"ACKED\""), Not(HasSubstr("stored"))));
  EXPECT_THAT(terminal_.err(), HasSubstr("stored, revision 12"));
  EXPECT_EQ(Disable({"-o", "name"}), ExitCode::kOk);
  EXPECT_EQ(terminal_.out(), "policy/readers\n");
}

}  // namespace
}  // namespace adit::cli
