#include "tests/controlplane/model/model_fixture.h"

namespace adit::model {
namespace {

TEST(Refusal, CarriesCodeReasonTextAndFields) {
  const absl::Status status = Refusal(absl::StatusCode::kNotFound, kNotFound, "there is none",
                                      {{"peers[0]", "does not exist"}, {"a", "b\x1e\x1f"}});
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(MessageOf(status), "there is none");
  EXPECT_EQ(ReasonOf(status), "NOT_FOUND");
  EXPECT_THAT(
      FieldErrorsOf(status),
      ::testing::ElementsAre(FieldError{"peers[0]", "does not exist"}, FieldError{"a", "b??"}));
}

TEST(Refusal, OfAnotherOriginHasNeitherReasonNorFields) {
  EXPECT_EQ(ReasonOf(absl::UnknownError("x")), "");
  EXPECT_TRUE(FieldErrorsOf(absl::UnknownError("x")).empty());
}

TEST(FieldErrors, NameEveryWrongFieldAtOnce) {
  FieldErrors errors;
  EXPECT_TRUE(errors.ToStatus().ok());
  errors.Add("name", "bad");
  errors.Add("cidrs[1]", "worse");
  EXPECT_THAT(errors.ToStatus(), IsInvalid({"name", "cidrs[1]"}));
  EXPECT_EQ(MessageOf(errors.ToStatus()), "name: bad; cidrs[1]: worse");
}

}  // namespace
}  // namespace adit::model
